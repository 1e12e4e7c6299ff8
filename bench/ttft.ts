import { fork } from 'node:child_process';
import { mkdtemp, rm } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { fileURLToPath } from 'node:url';
import { folderStore } from '../adapters/fs/index.js';
import { defaultThreads } from '../adapters/ggml/backend.js';
import { type GgmlEngine, loadEngine } from '../adapters/ggml/index.js';
import { resolveModel } from '../adapters/models/index.js';
import {
  createWeave,
  hybridPolicy,
  memoryStore,
  questionPolicy,
  type Weave,
} from '../lib/index.js';
import { beside } from './beside.js';
import {
  atLeast,
  atMost,
  bench,
  type BenchOptions,
  type BenchOutcome,
  emptyOutcome,
  interleave,
  isWanted,
  median,
  medianRatio,
  round,
} from './harness.js';
import { bestSetting, describeSetting, type LlamaProcess, startLlama } from './llama-process.js';
import { passages, QUESTION } from './passages.js';

const CELLS = 8192;
/** Passages in the prompt, and how much sooner the first token must come. */
const CASES = [
  { count: 8, goal: 4 },
  { count: 16, goal: 5 },
];

/** Time to first token of woven prompts against llama.cpp's full prefill of the same tokens. */
export const ttft = bench(async (options) => {
  const model = options.model ?? 'smollm2-135m-instruct';
  const { path } = await resolveModel(model);
  const outcome = emptyOutcome(model);
  const directory = await mkdtemp(join(tmpdir(), 'chunkweave-bench-'));
  const threads = options.threads ?? defaultThreads();
  const engine = await loadEngine({ model: path, device: options.device, threads });
  try {
    for (const { count, goal } of CASES) {
      if (!isWanted(String(count), options, outcome)) continue;
      await measure({ count, goal, engine, path, directory, threads, options, outcome });
    }
    if (isWanted('beside', options, outcome)) await beside(engine, options, outcome);
  } finally {
    await engine.dispose();
    await rm(directory, { recursive: true, force: true });
  }
  return outcome;
});

async function measure(run: {
  count: number;
  goal: number;
  engine: GgmlEngine;
  path: string;
  directory: string;
  threads: number;
  options: BenchOptions;
  outcome: BenchOutcome;
}): Promise<void> {
  const { count, goal, engine, path, threads, options } = run;
  const { figures, goals } = run.outcome;
  const folder = join(run.directory, String(count));
  const weave = await openWeave(engine, count);
  const prompt = await weave.prompt(QUESTION);
  figures[`${count}.prompt.tokens`] = prompt.tokens.length;
  figures[`${count}.passage.tokens`] = round(
    median(prompt.passages.map(({ start, end }) => end - start)),
  );
  if (prompt.passages.length !== count)
    throw new Error(`${prompt.passages.length} passages were found`);

  const start = { path, contextLength: CELLS, threads, device: options.device };
  const setting = await bestSetting(start, prompt.tokens);
  options.log(
    `${count} passages, ${prompt.tokens.length} tokens; llama.cpp at its best with ${describeSetting(setting)}`,
  );
  const llama = await startLlama({ ...start, ...setting });
  const bare = await bareCompute(engine, weave, prompt);
  let last: Awaited<ReturnType<Weave['ask']>> | undefined;
  try {
    const times = await interleave(options.repeat, {
      woven: async () => {
        last = await weave.ask(QUESTION);
        return last.timings.firstToken;
      },
      adaptive: async () =>
        (await weave.ask(QUESTION, { policy: hybridPolicy() })).timings.firstToken,
      bare: bare.run,
      full: async () => (await weave.ask(QUESTION, { reuse: 'full' })).timings.firstToken,
      llama: () => llama.prefill(prompt.tokens),
    });
    for (const [side, values] of Object.entries(times)) {
      figures[`${count}.${side}.ms`] = round(median(values));
    }
    for (const key of ['retrieve', 'load', 'probe', 'refresh'] as const) {
      figures[`${count}.last.${key}.ms`] = round(last?.timings[key] ?? 0);
    }
    figures[`${count}.cached.tokens`] = last?.usage.cached ?? 0;
    figures[`${count}.recomputed.tokens`] = last?.usage.recomputed ?? 0;
    figures[`${count}.fresh.tokens`] = last?.usage.fresh ?? 0;
    figures[`${count}.adaptive.sooner`] = round(
      medianRatio(times['llama'] as number[], times['adaptive'] as number[]),
    );
    const sooner = medianRatio(times['llama'] as number[], times['woven'] as number[]);
    goals[`${count}.sooner`] = atLeast(sooner, goal);
    goals[`${count}.overBare`] = atMost(
      medianRatio(times['woven'] as number[], times['bare'] as number[]),
      1.2,
    );
    options.log(
      `${count} passages in memory: woven ${median(times['woven'] as number[]).toFixed(0)} ms, llama.cpp ${median(times['llama'] as number[]).toFixed(0)} ms, ${sooner.toFixed(2)} times sooner`,
    );
  } finally {
    await bare.dispose();
    await weave.dispose();
  }
  await fromDisk({ ...run, folder, prompt: prompt.tokens, llama });
  await llama.close();
}

/** A weave over as many passages as go into the prompt, all in memory. */
export async function openWeave(engine: GgmlEngine, count: number): Promise<Weave> {
  const weave = await createWeave({
    engine,
    store: memoryStore({ maxBytes: 2e9 }),
    topK: count,
    policy: questionPolicy({ ratio: 0.15 }),
    maxTokens: 2,
    cells: CELLS - 512,
  });
  await weave.ingest(passages(count), { budget: { milliseconds: 600_000 } });
  return weave;
}

/** The native compute alone: the rows that the weave computes, over as many cells. */
async function bareCompute(
  engine: GgmlEngine,
  weave: Weave,
  prompt: Awaited<ReturnType<Weave['prompt']>>,
): Promise<{ run(): Promise<number>; dispose(): Promise<void> }> {
  const { plan } = await weave.ask(QUESTION);
  const arena = await engine.createArena({ cells: prompt.tokens.length + 64 });
  const base = arena.createSequence();
  await base.append(prompt.tokens.slice(0, prompt.question.start), { logits: 'none' });
  const entries = Int32Array.from(
    (plan?.passages ?? []).flatMap(({ passage, tokens }) => {
      const { start = 0 } = prompt.passages[passage] ?? {};
      return Array.from(tokens, (token) => start + token);
    }),
  ).sort();
  const question = prompt.tokens.slice(prompt.question.start);
  return {
    async run() {
      const before = engine.computeMs;
      await arena.forward([
        { kind: 'refresh', sequence: base, entries },
        { kind: 'append', sequence: base, tokens: question },
      ]);
      const spent = engine.computeMs - before;
      await base.drop({ start: prompt.question.start, end: base.length });
      return spent;
    },
    dispose: () => arena.dispose(),
  };
}

/** The same from a folder, each time in a fresh process that has loaded the model. */
async function fromDisk(run: {
  count: number;
  goal: number;
  path: string;
  folder: string;
  prompt: Int32Array;
  engine: GgmlEngine;
  llama: LlamaProcess;
  options: BenchOptions;
  outcome: BenchOutcome;
}): Promise<void> {
  const { count, goal, engine, options } = run;
  const { figures, goals } = run.outcome;
  const store = folderStore({ directory: run.folder, maxBytes: 4e9 });
  const filling = await createWeave({
    engine,
    store,
    topK: count,
    maxTokens: 2,
    cells: CELLS - 512,
  });
  await filling.ingest(passages(count), { budget: { milliseconds: 600_000 } });
  await filling.ask(QUESTION);
  await filling.dispose();
  await store.close();
  const times = await interleave(options.repeat, {
    woven: () => freshProcess(run.path, run.folder, count, options.device),
    llama: () => run.llama.prefill(run.prompt),
  });
  figures[`${count}.disk.woven.ms`] = round(median(times['woven'] as number[]));
  const sooner = medianRatio(times['llama'] as number[], times['woven'] as number[]);
  goals[`${count}.disk.sooner`] = atLeast(sooner, goal);
  options.log(`${count} passages from disk in a fresh process: ${sooner.toFixed(2)} times sooner`);
}

function freshProcess(
  path: string,
  folder: string,
  count: number,
  device: string,
): Promise<number> {
  return new Promise((resolve, reject) => {
    const worker = fileURLToPath(new URL('./ttft-worker.js', import.meta.url));
    const child = fork(worker, [path, folder, String(count), device]);
    child.once('message', (message) => resolve(message as number));
    child.once('exit', (code) => reject(new Error(`the process ended with ${code}`)));
  });
}
