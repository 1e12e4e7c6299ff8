import { mkdtemp, rm } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { fork } from 'node:child_process';
import { monitorEventLoopDelay } from 'node:perf_hooks';
import { fileURLToPath } from 'node:url';
import { defaultThreads } from '../adapters/ggml/backend.js';
import { loadEngine } from '../adapters/ggml/index.js';
import { resolveModel } from '../adapters/models/index.js';
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
  timed,
} from './harness.js';
import { bestSetting, startLlama } from './llama-process.js';
import { type BenchModel, benchModels } from './models.js';
import { argMax, someTokens } from './tokens.js';

const PREFILLS = [512, 2048, 4096];
const DECODE_AFTER = 2048;
const DECODE_STEPS = 64;
const CELLS = 4608;

/** Our graph against llama.cpp on the same files: prefill, decode, overhead, event loop, memory. */
export const engine = bench(async (options) => {
  const directory = await mkdtemp(join(tmpdir(), 'chunkweave-bench-'));
  const outcome = emptyOutcome(options.model ?? 'smollm2-135m-instruct');
  try {
    const path = (await resolveModel(outcome.model)).path;
    for (const model of await benchModels(directory, path, (name) =>
      isWanted(name, options, outcome),
    )) {
      await againstLlama(model, options, outcome);
    }
    if (isWanted('overhead', options, outcome)) await overhead(path, options, outcome);
  } finally {
    await rm(directory, { recursive: true, force: true });
  }
  return outcome;
});

async function againstLlama(
  model: BenchModel,
  options: BenchOptions,
  { figures, goals }: BenchOutcome,
): Promise<void> {
  const threads = options.threads ?? defaultThreads();
  const ours = await loadEngine({ model: model.path, device: options.device, threads });
  const arena = await ours.createArena({ cells: CELLS });
  const tokens = (count: number): Int32Array => someTokens(count, ours.model.vocabSize);
  const start = { path: model.path, contextLength: CELLS, threads };
  const setting = await bestSetting(start, tokens(DECODE_AFTER));
  options.log(
    `${model.name}: llama.cpp at its best with flash attention ${setting.flashAttention ? 'on' : 'off'}, ubatch ${setting.ubatch}`,
  );
  figures[`${model.name}.llama.flashAttention`] = Number(setting.flashAttention);
  figures[`${model.name}.llama.ubatch`] = setting.ubatch;
  const llama = await startLlama({ ...start, ...setting });
  const prefill = async (count: number): Promise<number> => {
    using sequence = arena.createSequence();
    return await timed(() => sequence.append(tokens(count)));
  };
  const decode = async (): Promise<number> => {
    using sequence = arena.createSequence();
    let { logits } = await sequence.append(tokens(DECODE_AFTER));
    return await timed(async () => {
      for (let i = 0; i < DECODE_STEPS; i++) {
        ({ logits } = await sequence.append(Int32Array.of(argMax(logits?.values as Float32Array))));
      }
    });
  };
  try {
    await prefill(256);
    for (const count of PREFILLS) {
      const times = await interleave(options.repeat, {
        ours: () => prefill(count),
        llama: () => llama.prefill(tokens(count)),
      });
      report(`${model.name}.prefill${count}`, times, options, figures);
      goals[`${model.name}.prefill${count}.ratio`] = atMost(ratio(times), 1.05);
    }
    const times = await interleave(options.repeat, {
      ours: decode,
      llama: () => llama.decode(tokens(DECODE_AFTER), DECODE_STEPS),
    });
    report(`${model.name}.decode${DECODE_STEPS}`, times, options, figures);
    goals[`${model.name}.decode.rateRatio`] = atLeast(1 / ratio(times), 0.95);
  } finally {
    await llama.close();
    await ours.dispose();
  }
}

const ratio = (times: Record<string, number[]>): number =>
  medianRatio(times['ours'] as number[], times['llama'] as number[]);

function report(
  name: string,
  times: Record<string, number[]>,
  options: BenchOptions,
  figures: Record<string, number>,
): void {
  for (const [side, values] of Object.entries(times)) {
    figures[`${name}.${side}.ms`] = round(median(values));
  }
  options.log(
    `${name}: ours ${median(times['ours'] as number[]).toFixed(0)} ms, llama.cpp ${median(times['llama'] as number[]).toFixed(0)} ms, ratio ${ratio(times).toFixed(3)}`,
  );
}

/** Time outside native compute, delay of the event loop, resident memory. */
async function overhead(
  path: string,
  options: BenchOptions,
  { figures, goals }: BenchOutcome,
): Promise<void> {
  const ours = await loadEngine({ model: path, device: options.device, ...threadsOf(options) });
  const arena = await ours.createArena({ cells: 4096 });
  const rows = someTokens(2000, ours.model.vocabSize);
  const measure = async (call: () => Promise<unknown>): Promise<number> => {
    const before = ours.computeMs;
    const total = await timed(call);
    return total - (ours.computeMs - before);
  };
  const outside: Record<string, number[]> = { decode: [], prefill512: [], refresh: [] };
  const delay = monitorEventLoopDelay({ resolution: 1 });
  try {
    const base = arena.createSequence();
    await base.append(rows);
    await base.append(Int32Array.of(1));
    delay.enable();
    for (let run = 0; run < options.repeat * 3; run++) {
      outside['decode']?.push(await measure(() => base.append(Int32Array.of(1))));
      const fresh = arena.createSequence();
      outside['prefill512']?.push(await measure(() => fresh.append(rows.subarray(0, 512))));
      fresh.dispose();
      const entries = Int32Array.from({ length: 300 }, (_, i) => i * 6);
      outside['refresh']?.push(await measure(() => base.refresh(entries)));
    }
    delay.disable();
  } finally {
    await ours.dispose();
  }
  for (const [name, values] of Object.entries(outside)) {
    figures[`overhead.${name}.ms`] = round(median(values));
    goals[`overhead.${name}.ms`] = atMost(median(values), 5);
  }
  figures['eventLoop.p99.ms'] = round(delay.percentile(99) / 1e6);
  goals['eventLoop.max.ms'] = atMost(delay.max / 1e6, 20);
  const resident = await residentMegabytes(path);
  goals['resident.mb'] = atMost(resident, 450);
  options.log(`resident memory with 4,096 cells: ${resident.toFixed(0)} MB`);
}

const threadsOf = (options: BenchOptions): { threads?: number } =>
  options.threads ? { threads: options.threads } : {};

/** Resident memory of a fresh process that loaded the model, 4,096 cells, and used them. */
function residentMegabytes(path: string): Promise<number> {
  return new Promise((resolve, reject) => {
    const child = fork(fileURLToPath(new URL('./resident-worker.js', import.meta.url)), [path]);
    child.once('message', (message) => resolve(message as number));
    child.once('exit', (code) => code && reject(new Error(`the memory probe ended with ${code}`)));
  });
}
