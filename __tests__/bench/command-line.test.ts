import { expect, test } from '@jest/globals';
import { BenchUsageError, readCommandLine } from '../../bench/command-line.js';
import { atMost, bench, benchWith, emptyOutcome, isWanted } from '../../bench/harness.js';
import { linesOf, reportOf } from '../../bench/report.js';

const seen: unknown[] = [];
const grown = benchWith(
  {
    data: { type: 'string', value: 'FOLDER', help: 'where the data lies' },
    seed: { type: 'string', default: '1', help: 'of the draw' },
    half: { type: 'boolean', help: 'one half only' },
  },
  async ({ model = 'none' }, { data, seed, half }) => {
    // Types, as a bench uses them: an absent string, one with a default, a flag.
    const text: string = seed;
    const flag: boolean = half;
    seen.push([data, text, flag]);
    return emptyOutcome(model);
  },
);
const benches = {
  grown: async () => grown,
  plain: async () => bench(async () => emptyOutcome('none')),
};
const read = (line: string) => readCommandLine(line === '' ? [] : line.split(' '), benches);

test('options of all and options of its own reach the bench', async () => {
  const run = await read('grown --data here --half --repeat 3 --only a,b --json --device cuda');
  expect(run).toMatchObject({
    name: 'grown',
    json: true,
    options: { repeat: 3, only: ['a', 'b'], device: 'cuda' },
  });
  await run.bench.run({ ...run.options, log: () => {} }, run.own);
  expect(seen.pop()).toEqual(['here', '1', true]);
});

test('what is not given has its default', async () => {
  const run = await read('grown');
  expect(run.json).toBe(false);
  expect(run.options).toEqual({
    model: undefined,
    device: 'cpu',
    repeat: 7,
    threads: undefined,
    only: [],
  });
  await run.bench.run({ ...run.options, log: () => {} }, run.own);
  expect(seen.pop()).toEqual([undefined, '1', false]);
});

test('one bench does not take the options of another', async () => {
  await expect(read('plain --data here')).rejects.toThrow(BenchUsageError);
  await expect(read('plain --data here')).rejects.toThrow(/'--data'.*\n\nusage: .*plain/s);
});

test.each([
  ['grown --repeat 0', '--repeat is "0"'],
  ['grown --threads two', '--threads is "two"'],
  ['grown --device tpu', '--device is "tpu"; give one of auto, cpu'],
  ['grown extra', 'extra'],
])('%s is refused', async (line, message) => {
  await expect(read(line)).rejects.toThrow(message);
});

test('usage names every bench, every option and what the benches add', async () => {
  for (const line of ['', 'no-such', 'constructor']) {
    const error = await read(line).then(
      () => undefined,
      (problem: Error) => problem,
    );
    expect(error).toBeInstanceOf(BenchUsageError);
    expect(error?.message).toMatch(/grown\|plain/);
    expect(error?.message).toMatch(/--data FOLDER +where the data lies/);
    expect(error?.message).toMatch(/--seed SEED +of the draw \(default 1\)/);
    expect(error?.message).toMatch(/--repeat N/);
  }
});

test('what was left out is printed and stands in the JSON', () => {
  const outcome = emptyOutcome('m');
  outcome.goals['fast.ms'] = atMost(30, 20);
  outcome.skipped.push('redis: no server');
  expect(isWanted('a', { only: [] }, outcome)).toBe(true);
  expect(isWanted('a', { only: ['a'] }, outcome)).toBe(true);
  expect(isWanted('b', { only: ['a'] }, outcome)).toBe(false);
  const lines = linesOf(outcome);
  expect(lines[0]).toMatch(/^MISSED fast\.ms .* 30 \(<= 20\)$/);
  expect(lines.slice(1)).toEqual(['LEFT OUT redis: no server', 'LEFT OUT b: not among --only']);
  const report = JSON.parse(JSON.stringify(reportOf('x', outcome))) as Record<string, unknown>;
  expect(report['skipped']).toEqual(['redis: no server', 'b: not among --only']);
});
