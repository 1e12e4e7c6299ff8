import { mkdtemp, rm } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
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
import { bestSettings, describeSetting, startLlama } from './llama-process.js';
import { type BenchModel, benchModels } from './models.js';
import { overhead } from './overhead.js';
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
    if (isWanted('overhead', options, outcome)) await overhead(path, directory, options, outcome);
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
  const start = { path: model.path, contextLength: CELLS, threads, device: options.device };
  const best = await bestSettings(start, tokens(DECODE_AFTER), DECODE_STEPS);
  for (const work of ['prefill', 'decode'] as const) {
    options.log(`${model.name}: llama.cpp at its best ${work} with ${describeSetting(best[work])}`);
    figures[`${model.name}.llama.${work}.flashAttention`] = Number(best[work].flashAttention);
    figures[`${model.name}.llama.${work}.ubatch`] = best[work].ubatch;
  }
  // Each idle while the other or ours is measured.
  const llama = {
    prefill: await startLlama({ ...start, ...best.prefill }),
    decode: await startLlama({ ...start, ...best.decode }),
  };
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
        llama: () => llama.prefill.prefill(tokens(count)),
      });
      report(`${model.name}.prefill${count}`, times, options, figures);
      goals[`${model.name}.prefill${count}.ratio`] = atMost(ratio(times), 1.05);
    }
    const times = await interleave(options.repeat, {
      ours: decode,
      llama: () => llama.decode.decode(tokens(DECODE_AFTER), DECODE_STEPS),
    });
    report(`${model.name}.decode${DECODE_STEPS}`, times, options, figures);
    goals[`${model.name}.decode.rateRatio`] = atLeast(1 / ratio(times), 0.95);
  } finally {
    await llama.prefill.close();
    await llama.decode.close();
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
