import { loadEngine } from '../../adapters/ggml/index.js';
import { resolveModel } from '../../adapters/models/index.js';
import { engineLanguageModel, type KvEngine } from '../../lib/index.js';
import type { BenchOptions } from '../harness.js';
import type { Cl100kTokenizer } from './cl100k.js';
import { answersPath, keepAnswers } from './kept-answers.js';
import type { ModelOf } from './kinds.js';
import type { Spent } from './spent.js';
import { textLosses } from './text-losses.js';

/** A language model for chunkers, and what it did for them so far. */
export interface ModelSide extends AsyncDisposable {
  readonly given: ModelOf;
  spent(): Spent;
}

export async function modelSide(
  { model, answers }: { readonly model: string; readonly answers: string | undefined },
  tokenizer: Cl100kTokenizer,
  options: BenchOptions,
): Promise<ModelSide> {
  const engine = await engineOf(model, options);
  const { fingerprint } = engine.model;
  const kept = keepAnswers(
    engineLanguageModel(engine),
    fingerprint,
    answers ?? answersPath(fingerprint),
  );
  let computed = 0;
  let fallbacks = 0;
  const onComputed = (tokens: number): void => {
    computed += tokens;
  };
  return {
    given: {
      engine,
      losses: textLosses(engine, (ids) => tokenizer.decode(ids), onComputed),
      model: kept,
      modelFingerprint: fingerprint,
      onComputed,
      onNotice: ({ kind }) => {
        if (kind === 'structural-fallback') fallbacks++;
      },
    },
    spent: () => ({
      calls: kept.asked.calls,
      read: kept.asked.promptTokens + computed,
      generated: kept.asked.generatedTokens,
      milliseconds: kept.asked.milliseconds,
      fallbacks,
    }),
    [Symbol.asyncDispose]: () => engine[Symbol.asyncDispose](),
  };
}

async function engineOf(model: string, { device, threads }: BenchOptions): Promise<KvEngine> {
  const { path } = await resolveModel(model);
  return loadEngine({ model: path, device, ...(threads && { threads }) });
}
