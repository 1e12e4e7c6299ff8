import type { KvSequence } from '../../lib/engine/arena.js';
import type { ForwardResult } from '../../lib/engine/forward.js';
import type { KvEngine } from '../../lib/engine/engine.js';
import type { Tokenizer } from '../../lib/engine/tokenizer.js';
import { FakeEngine } from '../../lib/testing/index.js';

export interface QuickEngine {
  readonly engine: KvEngine;
  /** Tokens of each run of which losses were asked for. */
  readonly runs: number[];
}

/** Making one takes longer than cutting a document. */
const { model } = new FakeEngine({ layers: 1, width: 8, headDim: 4 });

/** Fails for one run of tokens in ten, the same ones each time. */
export function oneInTen(tokens: Int32Array): boolean {
  return tokens.reduce((sum, id) => sum + id, 0) % 10 === 0;
}

/**
 * An engine that computes nothing: its losses are hashes of tokens, and it gives nothing else. For what goes by losses and needs
 * thousands of documents, which the fake engine would take hours for.
 *
 * @param fails whether a run of tokens fails
 */
export function quickEngine(
  tokenizer: Tokenizer,
  fails: (tokens: Int32Array, run: number) => boolean = () => false,
): QuickEngine {
  const runs: number[] = [];
  const append = async (
    tokens: Int32Array,
    { losses = false, signal }: { readonly losses?: boolean; readonly signal?: AbortSignal } = {},
  ): Promise<ForwardResult> => {
    signal?.throwIfAborted();
    if (!losses) return {};
    runs.push(tokens.length);
    if (fails(tokens, runs.length)) throw new Error('device lost');
    return {
      losses: tokens.map((token) => ((token * 2654435761) >>> 16) % 7) as never as Float32Array,
    };
  };
  const sequence = (length: number): KvSequence =>
    ({
      length,
      fork: () => sequence(length),
      append,
      dispose: () => {},
      [Symbol.dispose]: () => {},
    }) as never;
  const arena = {
    createSequence: () => sequence(0),
    dispose: async () => {},
    [Symbol.asyncDispose]: async () => {},
  };
  return { runs, engine: { model, tokenizer, createArena: async () => arena } as never };
}
