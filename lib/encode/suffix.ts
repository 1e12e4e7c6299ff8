import type { AppendRows, KvSequence, RunOptions } from '../engine/arena.js';
import type { Span } from '../engine/span.js';
import type { ChunkKv } from '../engine/chunk-kv.js';
import type { ForwardResult, GroupAttention } from '../engine/forward.js';
import { ComputeError } from '../errors.js';

/** Chunks whose suffixes are computed at once. */
export const suffixesAtOnce = 16;

export interface SuffixOptions extends RunOptions {
  /** Tokens that are computed right after each cut. */
  readonly suffix?: Int32Array | undefined;
  /** Layers of which the suffixes' attention is wanted; default none. */
  readonly attentionLayers?: readonly number[] | undefined;
}

export interface CapturedCut {
  readonly kv: ChunkKv;
  /** Of each token of the suffix, over all before it and itself, layer by layer. Where layers were given. */
  readonly suffixAttention?: readonly GroupAttention[];
}

/** Keys and values of spans of a sequence, each with a suffix that is computed behind it and that nothing else sees. */
export async function captureCuts(
  sequence: KvSequence,
  cuts: readonly Span[],
  options: SuffixOptions,
): Promise<CapturedCut[]> {
  const { suffix, signal } = options;
  const run = signal ? { signal } : {};
  const captured: CapturedCut[] = [];
  if (!suffix || suffix.length === 0) {
    for (const cut of cuts) captured.push({ kv: await sequence.capture(cut, run) });
    return captured;
  }
  for (let at = 0; at < cuts.length; at += suffixesAtOnce) {
    const some = cuts.slice(at, at + suffixesAtOnce);
    const forks = some.map(({ end }) => sequence.fork(end));
    try {
      const attention = await appendToAll(sequence, forks, suffix, options);
      for (const [i, fork] of forks.entries()) {
        const span = { start: some[i]?.start ?? 0, end: fork.length };
        const kv = await fork.capture(span, run);
        captured.push({
          kv,
          ...(attention && { suffixAttention: attention.map((groups) => groupIn(groups, i)) }),
        });
      }
    } finally {
      for (const fork of forks) fork.dispose();
    }
  }
  return captured;
}

/** With attention token by token: of one row, what it adds up to over entries is what the row gave each. */
async function appendToAll(
  { arena }: KvSequence,
  forks: readonly KvSequence[],
  suffix: Int32Array,
  { attentionLayers: layers, signal }: SuffixOptions,
): Promise<(readonly GroupAttention[])[] | undefined> {
  const append = (tokens: Int32Array): Promise<ForwardResult> =>
    arena.forward(
      forks.map((sequence): AppendRows => ({ kind: 'append', sequence, tokens })),
      {
        logits: 'none',
        ...(layers && { attention: { layers, perLayer: true } }),
        ...(signal && { signal }),
      },
    );
  if (!layers) {
    await append(suffix);
    return undefined;
  }
  const byToken: (readonly GroupAttention[])[] = [];
  for (const token of suffix) {
    const { attention } = await append(Int32Array.of(token));
    if (!attention) throw new ComputeError('The engine gave no attention.');
    byToken.push(attention);
  }
  return byToken;
}

function groupIn(groups: readonly GroupAttention[], number: number): GroupAttention {
  const group = groups.find((one) => one.group === number);
  if (!group) throw new ComputeError('The engine gave no attention.');
  return group;
}
