import { parseArgs, type ParseArgsConfig } from 'node:util';
import type { Bench, BenchOptions, OwnOptions, ParsedValues } from './harness.js';

type Benches = Readonly<Record<string, () => Promise<Bench>>>;

export interface BenchRun {
  readonly name: string;
  readonly bench: Bench;
  readonly json: boolean;
  readonly options: Omit<BenchOptions, 'log'>;
  readonly own: ParsedValues;
}

const devices = ['auto', 'cpu', 'vulkan', 'cuda', 'metal'] as const;

/** What every bench understands. */
const common = {
  json: { type: 'boolean', help: 'print nothing but one JSON object' },
  model: { type: 'string', help: 'alias, path, hf:…, pypi:… or https://…' },
  device: { type: 'string', default: 'cpu', help: devices.join(', ') },
  repeat: { type: 'string', value: 'N', default: '7', help: 'interleaved runs of each side' },
  threads: { type: 'string', value: 'N', help: 'threads on the CPU' },
  only: { type: 'string', value: 'A,B', help: 'parts to run' },
} as const satisfies OwnOptions;

/** The command line was not understood; the message says what would be. */
export class BenchUsageError extends Error {}

/**
 * Reads `NAME [options]`.
 * @throws BenchUsageError
 */
export async function readCommandLine(
  argv: readonly string[],
  benches: Benches,
): Promise<BenchRun> {
  // A value may stand where a name could, so the name comes first.
  const [name = '', ...args] = argv;
  const load = Object.hasOwn(benches, name) ? benches[name] : undefined;
  if (!load) throw new BenchUsageError(await usage(benches));
  const bench = await load();
  const refuse = (problem: string): never => {
    throw new BenchUsageError(`${problem}\n\n${usageOf(name, bench.own)}`);
  };
  const declared: OwnOptions = { ...bench.own, ...common };
  let values: Record<string, unknown>;
  try {
    values = parseArgs({ args, options: parseable(declared) }).values;
  } catch (error) {
    return refuse((error as Error).message);
  }
  const text = (option: keyof typeof common): string | undefined =>
    values[option] as string | undefined;
  const whole = (option: 'repeat' | 'threads'): number | undefined => {
    const given = text(option);
    if (given === undefined) return undefined;
    const number = Number(given);
    if (Number.isSafeInteger(number) && number > 0) return number;
    return refuse(`--${option} is "${given}"; give a whole number of at least 1.`);
  };
  const device = devices.find((known) => known === text('device'));
  if (!device) return refuse(`--device is "${text('device')}"; give one of ${devices.join(', ')}.`);
  return {
    name,
    bench,
    json: values['json'] === true,
    options: {
      model: text('model'),
      device,
      repeat: whole('repeat') as number,
      threads: whole('threads'),
      only: text('only')?.split(',') ?? [],
    },
    own: Object.fromEntries(
      Object.keys(bench.own).map((option) => [option, values[option] as string | boolean]),
    ),
  };
}

function parseable(options: OwnOptions): NonNullable<ParseArgsConfig['options']> {
  return Object.fromEntries(
    Object.entries(options).map(([name, { type, default: value }]) => [
      name,
      type === 'boolean'
        ? { type, default: false }
        : { type, ...(value !== undefined && { default: value }) },
    ]),
  );
}

async function usage(benches: Benches): Promise<string> {
  const names = Object.keys(benches);
  const own = await Promise.all(
    names.map(async (name) =>
      describe(name, (await (benches[name] as () => Promise<Bench>)()).own),
    ),
  );
  return [
    `usage: npm run bench -- ${names.join('|')} [options]`,
    describe('every bench', common),
    ...own,
  ]
    .filter(Boolean)
    .join('\n\n');
}

const usageOf = (name: string, own: OwnOptions): string =>
  [
    `usage: npm run bench -- ${name} [options]`,
    describe(name, own),
    describe('every bench', common),
  ]
    .filter(Boolean)
    .join('\n\n');

function describe(title: string, options: OwnOptions): string {
  const rows = Object.entries(options).map(([name, { type, value, help, default: fallback }]) => ({
    flag: type === 'boolean' ? `--${name}` : `--${name} ${value ?? name.toUpperCase()}`,
    help: fallback === undefined ? help : `${help} (default ${fallback})`,
  }));
  if (rows.length === 0) return '';
  const width = Math.max(...rows.map(({ flag }) => flag.length));
  return [`${title}:`, ...rows.map(({ flag, help }) => `  ${flag.padEnd(width)}  ${help}`)].join(
    '\n',
  );
}
