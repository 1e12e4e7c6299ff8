import { type ChildProcess, spawn } from 'node:child_process';
import { once } from 'node:events';
import { join } from 'node:path';
import { pathToFileURL } from 'node:url';
import type {
  ModelNotice,
  ResolvedModel,
  ResolveModelOptions,
} from '../../../adapters/models/index.js';
import { later, until } from './cleanup.js';

const built = pathToFileURL(
  join(import.meta.dirname, '..', '..', '..', 'dist', 'adapters', 'models', 'index.js'),
).href;

const script = `
const [built, source, options] = JSON.parse(process.argv[1]);
const { resolveModel } = await import(built);
const tell = (kind, message) => console.log(JSON.stringify({ kind, message }));
try {
  tell('result', await resolveModel(source, { ...options, onNotice: ({ kind, message }) => tell(kind, message) }));
} catch (error) {
  tell('error', String(error));
}
`;

export interface PullingProcess {
  readonly child: ChildProcess;
  /** Waits until it has told something of this kind, or is over. */
  told(kind: ModelNotice['kind']): Promise<void>;
  readonly result: Promise<ResolvedModel>;
}

/** Another process that resolves a model, from the built package. */
export function pull(
  source: string,
  { cacheDirectory, env, retries }: ResolveModelOptions,
  processEnv: NodeJS.ProcessEnv = process.env,
): PullingProcess {
  const input = JSON.stringify([built, source, { cacheDirectory, env, retries }]);
  const child = spawn(process.execPath, ['--input-type=module', '-e', script, input], {
    env: processEnv,
    stdio: ['ignore', 'pipe', 'inherit'],
  });
  later(async () => child.kill('SIGKILL'));
  let output = '';
  child.stdout.setEncoding('utf8').on('data', (text: string) => {
    output += text;
  });
  const events = (): { kind: string; message: unknown }[] =>
    output
      .split('\n')
      .slice(0, -1)
      .map((line) => JSON.parse(line) as { kind: string; message: unknown });
  let over = false;
  const result = once(child, 'close').then(() => {
    over = true;
    const last = events().at(-1);
    if (last?.kind !== 'result') throw new Error(String(last?.message));
    return last.message as ResolvedModel;
  });
  result.catch(() => {});
  return {
    child,
    told: (kind) => until(() => over || events().some((event) => event.kind === kind)),
    result,
  };
}

/** The number of a process that is over. */
export async function deadProcess(): Promise<number> {
  const child = spawn(process.execPath, ['-e', '']);
  await once(child, 'close');
  return child.pid!;
}
