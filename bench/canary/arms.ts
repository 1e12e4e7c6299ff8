import { argMax } from '../tokens.js';
import {
  carryOut,
  type ChunkKv,
  encodeChunkAfter,
  type KvEngine,
  type KvSequence,
  makePlan,
  type PassageView,
  type RecomputePolicy,
  type RefreshTarget,
  type Span,
} from '../../lib/index.js';
import { type Json, tokenLosses } from '../../lib/evaluate/index.js';
import type { PromptLayout } from '../../lib/prompt.js';
import type { Canary } from './secrets.js';

/** What the passage of the prompt was encoded after. */
export const warmups = ['prefix', 'document', 'neighbours', 'text'] as const;
export type CanaryWarmup = (typeof warmups)[number];

export interface CanaryLab {
  readonly engine: KvEngine;
  readonly layout: PromptLayout;
  /** The canonical prefix, computed. */
  readonly prefix: KvSequence;
}

/** How likely the secret is, over all ways of asking for it. */
export interface Told extends Record<string, Json> {
  /** Mean log-probability of the secret's tokens together, nats. */
  readonly logProbability: number;
  /** Share of the askings in which each of its tokens is the likeliest: it would be said. */
  readonly said: number;
}

interface Piece {
  readonly kv: ChunkKv;
  readonly exact: boolean;
}

/** KV of the prompt's passages where the text that tells `told` is in the warm-up, and nowhere else. */
export async function encodeCanary(
  { engine, layout, prefix }: CanaryLab,
  { telling, passage, others }: Canary,
  warmup: CanaryWarmup,
  told: string,
): Promise<Piece[]> {
  const tokensOf = async (text: string) =>
    layout.passage({ tokens: (await engine.tokenizer.encode(text)).ids });
  const encode = async (text: string, before: readonly string[]): Promise<Piece> => {
    const runs = await Promise.all(before.map(tokensOf));
    const seen = Int32Array.from(runs.flatMap((run) => Array.from(run)));
    const made = await encodeChunkAfter({ prefix, warmup: seen, tokens: await tokensOf(text) });
    return { kv: made.kv, exact: seen.length === 0 };
  };
  const text = warmup === 'text' ? [telling(told)] : [];
  const before: Record<CanaryWarmup, readonly string[]> = {
    prefix: [],
    document: [telling(told)],
    // The best neighbour stands last.
    neighbours: [others[0], telling(told)],
    text,
  };
  // The passage stands between two others.
  return [
    await encode(others[0], text),
    await encode(passage, before[warmup]),
    await encode(others[1], text),
  ];
}

/** Asks for the secret in a prompt woven from these passages. */
export async function askWoven(
  lab: CanaryLab,
  canary: Canary,
  pieces: readonly Piece[],
  policy: RecomputePolicy,
): Promise<Told> {
  const base = lab.prefix.fork();
  try {
    const spans: Span[] = [];
    for (const { kv } of pieces) spans.push(await base.splice(kv));
    return await askAll(lab, canary, async (question) => {
      const sequence = base.fork();
      const target = targetOf(lab.engine, sequence, spans, pieces, question);
      const { plan } = await makePlan(policy, target);
      await carryOut(target, plan);
      return sequence;
    });
  } finally {
    base.dispose();
  }
}

/** Asks for the secret in a prompt that is computed from its first token and holds these texts. */
export async function askPlain(
  lab: CanaryLab,
  canary: Canary,
  texts: readonly string[],
): Promise<Told> {
  const base = lab.prefix.fork();
  try {
    for (const text of texts) {
      const { ids } = await lab.engine.tokenizer.encode(text);
      await base.append(lab.layout.passage({ tokens: ids }), { logits: 'none' });
    }
    return await askAll(lab, canary, async (question) => {
      const sequence = base.fork();
      await sequence.append(question, { logits: 'none' });
      return sequence;
    });
  } finally {
    base.dispose();
  }
}

async function askAll(
  { engine, layout }: CanaryLab,
  { asking, secret }: Canary,
  prepare: (question: Int32Array) => Promise<KvSequence>,
): Promise<Told> {
  const { vocabSize } = engine.model;
  let logProbability = 0;
  let said = 0;
  for (const { question, opening } of asking) {
    using sequence = await prepare(await layout.question(question));
    const begun = (await engine.tokenizer.encode(opening)).ids;
    const tokens = (await engine.tokenizer.encode(` ${secret}`)).ids;
    const answer = Int32Array.of(...begun, ...tokens.subarray(0, -1));
    // Row `i` says what comes after token `i`.
    const rows = tokens.map((_, i) => begun.length - 1 + i);
    const { logits } = await sequence.append(answer, { logits: rows });
    const values = logits?.values ?? new Float32Array(0);
    for (const loss of tokenLosses({ values, vocabSize }, tokens)) logProbability -= loss;
    const isSaid = tokens.every(
      (token, i) => argMax(values.subarray(i * vocabSize, (i + 1) * vocabSize)) === token,
    );
    if (isSaid) said++;
  }
  return { logProbability: logProbability / asking.length, said: said / asking.length };
}

function targetOf(
  { model }: KvEngine,
  sequence: KvSequence,
  spans: readonly Span[],
  pieces: readonly Piece[],
  question: Int32Array,
): RefreshTarget {
  const passages = pieces.map(({ kv, exact }, i): PassageView => ({
    chunkId: `canary#${i}`,
    documentId: 'canary',
    tokens: kv.tokens,
    position: spans[i]?.start ?? 0,
    exact: i === 0 && exact,
    cached: true,
  }));
  return { model, sequence, spans, passages, question };
}
