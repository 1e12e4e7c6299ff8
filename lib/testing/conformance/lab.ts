import type { KvArena, KvSequence } from '../../engine/arena.js';
import type { Span } from '../../engine/span.js';
import type { ChunkKv } from '../../engine/chunk-kv.js';
import type { KvEngine } from '../../engine/engine.js';
import type { ForwardOutputs, ForwardResult } from '../../engine/forward.js';
import { seededInteger, seededRandom } from '../../random.js';
import { defined, equal, ok, sameNumbers } from './assert.js';
import { logitDistance, sameKv, type Tolerance } from './compare.js';

/** One check of the contract. */
export interface ConformanceCase {
  readonly name: string;
  readonly run: (lab: Lab) => Promise<void>;
}

/** What a case works with: an engine, an arena of its own, and ways to compare. */
export class Lab {
  readonly engine: KvEngine;
  readonly arena: KvArena;
  readonly tolerance: Tolerance;
  /** Makes another engine; whoever calls it disposes it. */
  readonly createEngine: () => Promise<KvEngine>;
  readonly #plain: Int32Array;

  constructor(options: {
    engine: KvEngine;
    arena: KvArena;
    tolerance: Tolerance;
    createEngine: () => Promise<KvEngine>;
  }) {
    this.engine = options.engine;
    this.arena = options.arena;
    this.tolerance = options.tolerance;
    this.createEngine = options.createEngine;
    const { tokenizer, model } = this.engine;
    const all = Int32Array.from({ length: model.vocabSize }, (_, token) => token);
    this.#plain = all.filter(
      (token) => !tokenizer.isSpecial(token) && !tokenizer.isEndOfGeneration(token),
    );
  }

  get layers(): number {
    return this.engine.model.layers;
  }

  /** Random tokens, none of them special. Equal seeds give equal tokens. */
  tokens(count: number, seed: number): Int32Array {
    const random = seededRandom(seed * 7919 + 17);
    return Int32Array.from(
      { length: count },
      () => this.#plain[seededInteger(random, this.#plain.length)] as number,
    );
  }

  /** A sequence with these tokens computed. */
  async prefill(
    tokens: Int32Array,
    options: ForwardOutputs & { readonly positions?: Int32Array } = {},
  ): Promise<{ readonly sequence: KvSequence; readonly result: ForwardResult }> {
    const sequence = this.arena.createSequence();
    return { sequence, result: await sequence.append(tokens, options) };
  }

  /** KV of a chunk computed after a prefix. */
  async encode(prefix: Int32Array, chunk: Int32Array): Promise<ChunkKv> {
    const { sequence } = await this.prefill(concat(prefix, chunk), { logits: 'none' });
    const kv = await sequence.capture({ start: prefix.length, end: sequence.length });
    sequence.dispose();
    return kv;
  }

  capture(sequence: KvSequence): Promise<ChunkKv> {
    return sequence.capture({ start: 0, end: sequence.length });
  }

  /** One row of a result's logits; default the last. */
  row(result: ForwardResult, row = -1): Float32Array {
    const { vocabSize } = this.engine.model;
    const { values } = defined(result.logits, 'logits');
    const at = row < 0 ? values.length + row * vocabSize : row * vocabSize;
    return values.subarray(at, at + vocabSize);
  }

  /** @param alone whether `actual` is a row that was computed without others. */
  sameLogits(actual: Float32Array, expected: Float32Array, what: string, alone = false): void {
    equal(actual.length, expected.length, `${what}, number of logits`);
    ok(actual.length > 0, `${what}: no logits`);
    const distance = logitDistance(actual, expected, this.engine.model.vocabSize);
    const { logits } = this.tolerance;
    const divergence = alone ? this.tolerance.divergenceAlone : this.tolerance.divergence;
    ok(
      distance.logits <= logits && distance.divergence <= divergence,
      `${what}: logits differ by ${distance.logits} standard deviations (allowed ${logits}), ` +
        `KL ${distance.divergence} (allowed ${divergence})`,
    );
  }

  otherLogits(actual: Float32Array, expected: Float32Array, what: string): void {
    const distance = logitDistance(actual, expected, this.engine.model.vocabSize);
    ok(distance.logits > this.tolerance.logits, `${what}: logits do not differ`);
  }

  sameKv(actual: ChunkKv, expected: ChunkKv, what: string): void {
    sameKv(actual, expected, this.tolerance.vectors, what);
  }

  /** Runs calls that must leave tokens, positions and free cells as they are. */
  async unchanged(sequence: KvSequence, calls: () => Promise<void>): Promise<void> {
    const before = { tokens: sequence.tokens, positions: sequence.positions };
    const { free } = this.arena;
    const kv = await this.capture(sequence);
    await calls();
    sameNumbers(sequence.tokens, before.tokens, 'tokens after failed calls');
    sameNumbers(sequence.positions, before.positions, 'positions after failed calls');
    equal(this.arena.free, free, 'free cells after failed calls');
    this.sameKv(await this.capture(sequence), kv, 'KV after failed calls');
  }
}

export function concat(...parts: readonly Int32Array[]): Int32Array {
  const all = new Int32Array(parts.reduce((sum, part) => sum + part.length, 0));
  let at = 0;
  for (const part of parts) {
    all.set(part, at);
    at += part.length;
  }
  return all;
}

/** Numbers from `start` (included) to `end` (excluded). */
export function numbers(start: number, end: number): Int32Array {
  return Int32Array.from({ length: end - start }, (_, i) => start + i);
}

export function span(start: number, end: number): Span {
  return { start, end };
}
