/** `npm run bench -- NAME [--json] [--model M] [--device D] [--repeat N] [--threads N] [--only a,b]` */
import { parseArgs } from 'node:util';
import { type Bench, type BenchOptions, machine } from './harness.js';

const benches: Record<string, () => Promise<Bench>> = {
  engine: async () => (await import('./engine.js')).engine,
  store: async () => (await import('./store.js')).store,
  ttft: async () => (await import('./ttft.js')).ttft,
};

const { values, positionals } = parseArgs({
  allowPositionals: true,
  options: {
    json: { type: 'boolean', default: false },
    model: { type: 'string' },
    device: { type: 'string', default: 'cpu' },
    repeat: { type: 'string', default: '7' },
    threads: { type: 'string' },
    only: { type: 'string' },
  },
});
const name = positionals[0] ?? '';
const load = benches[name];
const repeat = Number(values.repeat);
if (!load || !Number.isInteger(repeat) || repeat < 1) {
  console.error(
    `usage: npm run bench -- ${Object.keys(benches).join('|')} [--json] [--model M] [--device D] [--repeat N] [--threads N] [--only a,b]`,
  );
  process.exit(2);
}
const options: BenchOptions = {
  model: values.model,
  device: values.device as BenchOptions['device'],
  repeat,
  threads: values.threads ? Number(values.threads) : undefined,
  only: values.only?.split(',') ?? [],
  log: (line) => console.error(line),
};
const outcome = await (await load())(options);
const report = {
  bench: name,
  figures: outcome.figures,
  goals: outcome.goals,
  model: outcome.model,
  machine: machine(),
  date: new Date().toISOString().slice(0, 10),
};
if (!values.json) {
  for (const [key, value] of Object.entries(report.figures))
    console.log(`${key.padEnd(44)} ${value}`);
  for (const [key, goal] of Object.entries(report.goals)) {
    console.log(`${goal.met ? 'met   ' : 'MISSED'} ${key.padEnd(44)} ${goal.value} (${goal.goal})`);
  }
}
console.log(JSON.stringify(report));
