import {
  answerF1,
  compareRows,
  editSimilarity,
  exactMatch,
  type Json,
  type LogitRows,
  mean,
  tokenLosses,
} from '../../lib/evaluate/index.js';
import {
  carryOut,
  decodeAll,
  type KvArena,
  type KvEngine,
  type KvSequence,
  makePlan,
  type PassageView,
  recomputeRatio,
  type RefreshTarget,
  type Span,
} from '../../lib/index.js';
import { joinPrompt, type PassageLayout, type PromptTokens } from '../../lib/prompt.js';
import { prefillPrompt } from '../../lib/weave/prefill-prompt.js';
import { answerRows } from './answer-rows.js';
import { type Arm, policyOf } from './arms.js';
import type { EncodedPiece, PieceEncoder } from './encode.js';
import type { FidelityCase } from './prompts.js';
import { sortRight } from './sort.js';

/** A case's full prefill, and its passages' KV as it was asked for so far. */
export interface PreparedCase {
  readonly prompt: Int32Array;
  /** `[answer tokens][vocabSize]`: row `i` is what comes after `i` tokens of the answer. */
  readonly reference: LogitRows;
  /** Milliseconds of computing the prompt up to its first token. */
  readonly fullMs: number;
  /** Where everything stands in it. */
  readonly places: PromptTokens;
  /** What the model answers after a full prefill. */
  readonly answer: string;
  /** Pairs of {@link FidelityCase.sort} whose order is read rightly after a full prefill. */
  readonly sortRight?: number;
  readonly pieces: Map<string, readonly EncodedPiece[]>;
}

/** What an arm gave on a case. */
export interface ArmResult extends Record<string, Json | undefined> {
  /** Mean over the answer's tokens, nats. */
  readonly kl: number;
  /** Share of the answer's tokens for which the likeliest token is the same. */
  readonly agree: number;
  /** Mean negative log-likelihood of the right answer, nats a token. */
  readonly nll: number;
  readonly fullNll: number;
  /** Share of the passages' layer-tokens that was spent on repair, probes included. */
  readonly share: number;
  /** Milliseconds from passages in memory to the logits of the first token. */
  readonly ttftMs: number;
  /** Milliseconds of those that probes took; absent in older logs, and where nothing is woven. */
  readonly probeMs?: number;
  readonly fullMs: number;
  /** Milliseconds of making the passages' KV. */
  readonly encodeMs: number;
  readonly near: boolean;
  /** Of what the model writes: to the right answers, and to what it writes after a full prefill. */
  readonly f1?: number;
  readonly em?: number;
  readonly fullF1?: number;
  readonly sameF1?: number;
  readonly sameEdit?: number;
  readonly sameExact?: number;
  /** Share of the pairs of passages whose order the model reads rightly, here and after a full prefill, and their number. */
  readonly sort?: number;
  readonly fullSort?: number;
  readonly sortPairs?: number;
}

export interface LabOptions {
  readonly engine: KvEngine;
  readonly arena: KvArena;
  /** The canonical prefix, computed. */
  readonly prefix: KvSequence;
  readonly encoder: PieceEncoder;
  /** Tokens of free-running answers; 0 for none. */
  readonly freeTokens: number;
  /** How passages and question stand, in the full prefill and the woven prompt alike; default `sequence`. */
  readonly layout?: PassageLayout;
}

/** Runs arms on cases and compares them with the full prefill of the same prompt. */
export class FidelityLab {
  readonly #options: LabOptions;

  constructor(options: LabOptions) {
    this.#options = options;
  }

  async prepare(item: FidelityCase): Promise<PreparedCase> {
    const { prefix, arena, layout } = this.#options;
    const places = joinPrompt(
      {
        prefix: prefix.tokens,
        passages: item.pieces.map(({ tokens }) => tokens),
        earlier: item.earlier,
        question: item.ask,
      },
      layout,
    );
    const prompt = places.tokens;
    const sequence = arena.createSequence();
    try {
      const start = performance.now();
      const { logits } = await prefillPrompt(sequence, places, new AbortController().signal);
      const fullMs = performance.now() - start;
      const first = logits?.values ?? new Float32Array(0);
      const answer = await this.#answer(sequence, first);
      const reference = await answerRows(sequence, first, item.answer);
      const right = await sortOf(sequence, prompt, item);
      return {
        prompt,
        places,
        reference,
        fullMs,
        answer,
        pieces: new Map(),
        ...(right !== undefined && { sortRight: right }),
      };
    } finally {
      sequence.dispose();
    }
  }

  async run(prepared: PreparedCase, arm: Arm, item: FidelityCase): Promise<ArmResult> {
    if (arm.policy === 'floor') return this.#floor(prepared, item);
    const { prefix, engine } = this.#options;
    const pieces = await this.encode(prepared, arm.warmup, item);
    const start = performance.now();
    const sequence = prefix.fork();
    try {
      const { passages, again, positions } = prepared.places;
      const spans: Span[] = [];
      for (const [i, { start: at }] of [...passages, ...again].entries()) {
        const { kv } = pieces[i % pieces.length] as EncodedPiece;
        spans.push(await sequence.splice(kv, { position: positions[at] ?? 0 }));
      }
      const target = targetOf(engine, sequence, spans, pieces, item, prepared.places);
      const { plan, probed, probeMs } = await makePlan(policyOf(arm), target);
      const { logits, report } = await carryOut(target, plan, { probed });
      const ttftMs = performance.now() - start;
      const tokens = spans.reduce((sum, { start: from, end }) => sum + end - from, 0);
      return await this.#judge(prepared, item, sequence, logits, {
        share: recomputeRatio(report, tokens),
        ttftMs,
        probeMs,
        encodeMs: pieces.reduce((sum, { ms }) => sum + ms, 0),
      });
    } finally {
      sequence.dispose();
    }
  }

  /** The passages' KV under a warm-up, made for the first arm that wants it. */
  async encode(
    prepared: PreparedCase,
    warmup: string,
    item: FidelityCase,
  ): Promise<readonly EncodedPiece[]> {
    const known = prepared.pieces.get(warmup);
    if (known) return known;
    const pieces: EncodedPiece[] = [];
    for (const piece of item.pieces) pieces.push(await this.#options.encoder.encode(piece, warmup));
    prepared.pieces.set(warmup, pieces);
    return pieces;
  }

  /** The same prompt computed in other batches: what no repair can be told from. */
  async #floor(prepared: PreparedCase, item: FidelityCase): Promise<ArmResult> {
    const sequence = this.#options.arena.createSequence();
    try {
      const start = performance.now();
      let logits = new Float32Array(0);
      for (let at = 0; at < prepared.prompt.length; at += 200) {
        const result = await sequence.append(prepared.prompt.slice(at, at + 200));
        logits = new Float32Array(result.logits?.values ?? logits);
      }
      const ttftMs = performance.now() - start;
      return await this.#judge(prepared, item, sequence, logits, {
        share: 1,
        ttftMs,
        encodeMs: 0,
      });
    } finally {
      sequence.dispose();
    }
  }

  async #judge(
    { prompt, reference, fullMs, answer: fullAnswer, sortRight: fullRight }: PreparedCase,
    item: FidelityCase,
    sequence: KvSequence,
    logits: Float32Array,
    costs: Pick<ArmResult, 'share' | 'ttftMs' | 'probeMs' | 'encodeMs'>,
  ): Promise<ArmResult> {
    const answer = await this.#answer(sequence, logits);
    const rows = await answerRows(sequence, logits, item.answer);
    const { kl, agrees } = compareRows(reference, rows);
    const right = await sortOf(sequence, prompt, item);
    const pairs = item.sort?.pairs.length ?? 0;
    return {
      kl: mean(kl),
      agree: mean(agrees),
      nll: mean(tokenLosses(rows, item.answer)),
      fullNll: mean(tokenLosses(reference, item.answer)),
      ...costs,
      fullMs,
      near: item.holdsPredecessor,
      ...(this.#options.freeTokens > 0 && {
        f1: answerF1(answer, item.answers),
        em: exactMatch(answer, item.answers),
        fullF1: answerF1(fullAnswer, item.answers),
        sameF1: answerF1(answer, [fullAnswer]),
        sameEdit: editSimilarity(answer, fullAnswer),
        sameExact: answer === fullAnswer ? 1 : 0,
      }),
      ...(right !== undefined &&
        fullRight !== undefined && {
          sort: right / pairs,
          fullSort: fullRight / pairs,
          sortPairs: pairs,
        }),
    };
  }

  /** What the model writes from here, greedily. The sequence stays as it was. */
  async #answer(sequence: KvSequence, logits: Float32Array): Promise<string> {
    const { engine, freeTokens } = this.#options;
    if (freeTokens === 0) return '';
    const fork = sequence.fork();
    try {
      const { text } = await decodeAll({ engine, sequence: fork, logits, maxTokens: freeTokens });
      return text.trim();
    } finally {
      fork.dispose();
    }
  }
}

/** Asked of the passages as they were repaired for the question, which itself is not seen. */
async function sortOf(
  sequence: KvSequence,
  prompt: Int32Array,
  { ask, sort }: FidelityCase,
): Promise<number | undefined> {
  if (!sort || sort.pairs.length === 0) return undefined;
  return sortRight(sequence, prompt.length - ask.length, sort);
}

/** What policies see of it; a passage right after the prefix is exact where it saw nothing but that. */
function targetOf(
  { model }: KvEngine,
  sequence: KvSequence,
  spans: readonly Span[],
  pieces: readonly EncodedPiece[],
  { ask, pieces: asked }: FidelityCase,
  { prefix, passages: once, again, positions, earlier, tokens }: PromptTokens,
): RefreshTarget {
  const passages = [...once, ...again].map(({ start }, i): PassageView => {
    const piece = pieces[i % pieces.length] as EncodedPiece;
    const { chunk } = asked[i % pieces.length] as FidelityCase['pieces'][0];
    const position = positions[start] ?? 0;
    return {
      chunkId: chunk.id,
      documentId: chunk.documentId,
      key: piece.key,
      tokens: piece.kv.tokens,
      position,
      exact: position === prefix.end && piece.warmupTokens === 0 && !piece.missedPrefix,
      cached: true,
      ...(piece.warmupTokens > 0 && {
        context: {
          chunks: piece.saw,
          warmupTokens: piece.saw.length > 0 ? 0 : piece.warmupTokens,
        },
      }),
      ...(piece.details !== undefined && { details: piece.details }),
    };
  });
  return {
    model,
    sequence,
    spans,
    passages,
    question: ask,
    ...(earlier && {
      earlier: {
        tokens: tokens.slice(earlier.start, earlier.end),
        positions: positions.slice(earlier.start, earlier.end),
      },
    }),
  };
}
