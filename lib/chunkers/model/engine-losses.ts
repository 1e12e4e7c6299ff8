import { encodeDocument } from '../../encode/encode-document.js';
import { type SegmentOptions, segmentsOf } from '../../encode/segments.js';
import type { KvSequence } from '../../engine/arena.js';
import type { Span } from '../../engine/span.js';
import type { KvEngine } from '../../engine/engine.js';
import { InvalidArgumentError } from '../../errors.js';
import type { ChunkOptions } from '../chunker.js';
import type { TokenLosses } from './token-losses.js';

export interface EngineLossesOptions {
  /** Documents must have its tokenizer's tokens. */
  readonly engine: KvEngine;
  /**
   * How texts longer than a pass are divided. `segments` (default): at content-defined anchors, each with an overlap
   * before it, so that an edit changes losses in its neighbourhood only. `carried`, as published: in passes of
   * `batchTokens`, default 4,096, that see those before them; of what was seen, the oldest is let go where more than
   * `keepTokens`, default 9,000, would be kept. Both are lowered to what the model's context allows.
   */
  readonly windows?:
    | ({ readonly kind: 'segments' } & SegmentOptions)
    | { readonly kind: 'carried'; readonly batchTokens?: number; readonly keepTokens?: number };
}

/**
 * Losses from an engine, one pass over the text. Each call has an arena of its own.
 * @throws InvalidArgumentError for windows that cannot be
 */
export function engineLosses({ engine, windows }: EngineLossesOptions): TokenLosses {
  const plan = windows ?? { kind: 'segments' };
  // Checks the options.
  if (plan.kind === 'segments') segmentsOf(new Int32Array(), [], plan);
  else checkCarried(plan);
  return {
    fingerprint: JSON.stringify([engine.model.fingerprint, plan]),
    lossesOf: async (tokens, sentences, options = {}) => {
      if (tokens.length === 0) return new Float32Array();
      return plan.kind === 'segments'
        ? inSegments(engine, plan, tokens, sentences, options)
        : carried(engine, plan, tokens, options);
    },
  };
}

type Carried = { readonly batchTokens?: number; readonly keepTokens?: number };

function checkCarried(plan: Carried): void {
  for (const [name, value] of Object.entries({
    batchTokens: plan.batchTokens ?? 1,
    keepTokens: plan.keepTokens ?? 1,
  })) {
    if (Number.isSafeInteger(value) && value >= 1) continue;
    throw new InvalidArgumentError(
      `engineLosses: ${name} is ${value}; give a whole number of at least 1.`,
    );
  }
}

async function inSegments(
  engine: KvEngine,
  segments: SegmentOptions,
  tokens: Int32Array,
  spans: readonly Span[],
  { signal, onProgress }: ChunkOptions,
): Promise<Float32Array> {
  const longest = segmentsOf(tokens, spans, segments).reduce(
    (most, { tokens: { start, end } }) => Math.max(most, end - start),
    0,
  );
  await using arena = await engine.createArena({ cells: longest + 1 });
  using prefix = arena.createSequence();
  await beginText(engine, prefix, signal);
  const losses = new Float32Array(tokens.length).fill(NaN);
  for await (const segment of encodeDocument({
    model: engine.model,
    prefix,
    tokens,
    spans,
    segments,
    kv: false,
    losses: true,
    ...(signal && { signal }),
    ...(onProgress && { onProgress: (done, total) => onProgress(done / total) }),
  })) {
    const first = spans[segment.segment.chunks.start]?.start ?? 0;
    if (segment.losses) losses.set(segment.losses, first);
  }
  return losses;
}

async function carried(
  engine: KvEngine,
  plan: Carried,
  tokens: Int32Array,
  { signal, onProgress }: ChunkOptions,
): Promise<Float32Array> {
  const room = engine.model.contextLength - 1;
  const batch = Math.min(plan.batchTokens ?? 4096, Math.max(1, room >> 1), tokens.length);
  const keep = Math.min(plan.keepTokens ?? 9000, Math.max(1, room - batch));
  await using arena = await engine.createArena({
    cells: Math.min(tokens.length, keep + batch) + 1,
  });
  using sequence = arena.createSequence();
  await beginText(engine, sequence, signal);
  const losses = new Float32Array(tokens.length).fill(NaN);
  let last: Float32Array | undefined;
  for (let from = 0; from < tokens.length; from += batch) {
    signal?.throwIfAborted();
    const excess = sequence.length - keep;
    if (excess > 0) await sequence.drop({ start: 0, end: excess }, signal ? { signal } : {});
    const run = tokens.slice(from, from + batch);
    if (last) losses[from] = lossOf(last, run[0] as number);
    const result = await sequence.append(run, {
      losses: true,
      logits: 'last',
      ...(signal && { signal }),
    });
    // Row `i` tells the loss of token `i + 1`.
    if (result.losses) losses.set(result.losses.subarray(0, run.length - 1), from + 1);
    last = result.logits?.values;
    onProgress?.(Math.min(1, (from + batch) / tokens.length));
  }
  return losses;
}

/** Texts begin as the model's training texts did, with BOS where it has one. */
async function beginText(
  { tokenizer }: KvEngine,
  sequence: KvSequence,
  signal: AbortSignal | undefined,
): Promise<void> {
  if (!tokenizer.addBos || tokenizer.bos < 0) return;
  await sequence.append(Int32Array.of(tokenizer.bos), {
    logits: 'none',
    ...(signal && { signal }),
  });
}

function lossOf(logits: Float32Array, token: number): number {
  let highest = -Infinity;
  for (const logit of logits) if (logit > highest) highest = logit;
  let sum = 0;
  for (const logit of logits) sum += Math.exp(logit - highest);
  return highest + Math.log(sum) - (logits[token] as number);
}
