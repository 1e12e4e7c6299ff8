import { fork } from 'node:child_process';
import { join } from 'node:path';
import { monitorEventLoopDelay } from 'node:perf_hooks';
import { fileURLToPath } from 'node:url';
import { type GgmlEngine, loadEngine } from '../adapters/ggml/index.js';
import { createWeave, memoryStore } from '../lib/index.js';
import { atMost, type BenchOptions, type BenchOutcome, median, round, timed } from './harness.js';
import { passages } from './passages.js';
import { someTokens } from './tokens.js';

const CELLS = 4096;
const PASSAGE = 250;
/** Documents of one passage each, for tokenising and ingest. */
const DOCUMENTS = 200;

interface Work {
  readonly run: () => Promise<unknown>;
  readonly times: number;
  /**
   * Whether what is not native compute of graphs is held against the bound of a call. Loading, tokenising and ingest
   * are other work for the most part, so of them only the event loop is asked.
   */
  readonly isCall: boolean;
}

/** Time outside native compute, delay of the event loop for each kind of work, resident memory. */
export async function overhead(
  path: string,
  directory: string,
  options: BenchOptions,
  { figures, goals }: BenchOutcome,
): Promise<void> {
  const load = {
    model: path,
    device: options.device,
    ...(options.threads !== undefined && { threads: options.threads }),
  };
  const calls = options.repeat * 3;
  const few = Math.min(options.repeat, 3);
  const ours = await loadEngine(load);
  try {
    for (const [name, work] of Object.entries(await worksOf(ours))) {
      await observe(name, work);
    }
    await observe('load', {
      // The hash of the weights is made anew.
      run: async () => {
        const hashCache = join(directory, `hashes-${performance.now()}.json`);
        await (await loadEngine({ ...load, hashCache })).dispose();
      },
      times: few,
      isCall: false,
    });
  } finally {
    await ours.dispose();
  }
  const resident = await residentMegabytes(path);
  goals['resident.mb'] = atMost(resident, 450);
  options.log(`resident memory with 4,096 cells: ${resident.toFixed(0)} MB`);

  async function observe(name: string, { run, times, isCall }: Work): Promise<void> {
    const spent: number[] = [];
    const delay = monitorEventLoopDelay({ resolution: 1 });
    for (let time = 0; time < times; time++) {
      const before = ours.computeMs;
      delay.enable();
      // A delay is noted when the loop comes round again.
      await turns();
      const total = await timed(run);
      await turns();
      delay.disable();
      spent.push(isCall ? total - (ours.computeMs - before) : total);
    }
    if (isCall) {
      figures[`overhead.${name}.ms`] = round(median(spent));
      goals[`overhead.${name}.ms`] = atMost(median(spent), 5);
    } else figures[`time.${name}.ms`] = round(median(spent));
    figures[`eventLoop.${name}.p99.ms`] = round(delay.percentile(99) / 1e6);
    goals[`eventLoop.${name}.max.ms`] = atMost(delay.max / 1e6, 20);
    options.log(`${name}: event loop held up for ${(delay.max / 1e6).toFixed(1)} ms at most`);
  }

  async function worksOf(engine: GgmlEngine): Promise<Record<string, Work>> {
    const arena = await engine.createArena({ cells: CELLS });
    const rows = someTokens(2000, engine.model.vocabSize);
    const base = arena.createSequence();
    await base.append(rows);
    await base.append(Int32Array.of(1));
    const span = { start: 500, end: 500 + PASSAGE };
    const kv = await base.capture(span);
    const documents = passages(DOCUMENTS);
    const text = documents.map((document) => document.text).join('\n\n');
    const call = (run: Work['run']): Work => ({ run, times: calls, isCall: true });
    const long = (run: Work['run']): Work => ({ run, times: few, isCall: false });
    return {
      decode: call(() => base.append(Int32Array.of(1))),
      prefill512: call(async () => {
        using fresh = arena.createSequence();
        await fresh.append(rows.subarray(0, 512));
      }),
      refresh: call(() => base.refresh(Int32Array.from({ length: 300 }, (_, i) => i * 6))),
      splice: call(async () => {
        using fresh = arena.createSequence();
        await fresh.splice(kv, { position: 40 });
      }),
      capture: call(() => base.capture(span)),
      probe: call(() => base.probe(rows.subarray(0, 12))),
      tokenise: long(() => engine.tokenizer.encode(text)),
      ingest: long(async () => {
        await using weave = await createWeave({ engine, store: memoryStore(), cells: 1024 });
        await weave.ingest(documents, { budget: { milliseconds: 2000 } });
      }),
    };
  }
}

async function turns(): Promise<void> {
  for (let turn = 0; turn < 3; turn++) await new Promise((resolve) => setTimeout(resolve, 2));
}

/** Resident memory of a fresh process that loaded the model, 4,096 cells, and used them. */
function residentMegabytes(path: string): Promise<number> {
  return new Promise((resolve, reject) => {
    const child = fork(fileURLToPath(new URL('./resident-worker.js', import.meta.url)), [path]);
    child.once('message', (message) => resolve(message as number));
    child.once('exit', (code) => code && reject(new Error(`the memory probe ended with ${code}`)));
  });
}
