import { expect, test } from '@jest/globals';
import { commands, runProgram } from '../../../adapters/cli/program.js';
import { Terminal } from '../../../adapters/cli/report/terminal.js';

/** Runs the program in this process, as on a terminal. */
async function run(...args: string[]) {
  const out = { stdout: '', stderr: '' };
  const output = (name: 'stdout' | 'stderr') => ({
    write: (text: string) => void (out[name] += text),
    isTTY: true,
    columns: 80,
  });
  const { signal } = new AbortController();
  const io = { stdout: output('stdout'), stderr: output('stderr'), env: {}, cwd: '/', signal };
  return { code: await runProgram(args, io), ...out };
}

test.each(commands.map((command) => [command.name, command] as const))(
  'the help of %s says a word on every flag, and on none that it has not',
  (_name, { help, flags }) => {
    const named = new Set(Array.from(help.matchAll(/--([a-z][a-z0-9-]*)/g), ([, flag]) => flag));
    // In passing, what another command understands.
    const others = new Set(commands.flatMap((command) => Object.keys(command.flags)));
    expect(Object.keys(flags).filter((flag) => !named.has(flag))).toEqual([]);
    expect([...named].filter((flag) => !others.has(flag ?? ''))).toEqual([]);
    expect(help.split('\n').filter((line) => line.length > 130)).toEqual([]);
  },
);

test('what is asked for goes to stdout, what is not understood to stderr with code 2', async () => {
  const overview = await run('--help');
  expect(overview).toMatchObject({ code: 0, stderr: '' });
  for (const { name } of commands) {
    expect(overview.stdout).toMatch(new RegExp(`^  ${name} `, 'm'));
    expect(await run(name, '--nonsense')).toMatchObject({ code: 2, stdout: '' });
  }
});

test.each([
  ['a terminal', true, {}, true],
  ['a terminal with NO_COLOR', true, { NO_COLOR: '1' }, false],
  ['a terminal with an empty NO_COLOR', true, { NO_COLOR: '' }, true],
  ['a pipe', false, {}, false],
] as const)('%s gets colours and a status line, or plain lines', (_name, isTTY, env, coloured) => {
  let text = '';
  const stderr = { write: (more: string) => void (text += more), isTTY, columns: 80 };
  const terminal = new Terminal({ stderr, env });
  terminal.progress('Indexing', 0.5);
  const status = text;
  terminal.title('Done');
  expect(text.includes('\u001B[1mDone')).toBe(coloured);
  expect(status.includes('Indexing')).toBe(isTTY);
  if (!isTTY) expect(text).toBe('Done\n');
});
