import {
  answerWords,
  coveredLength,
  sharedLength,
  type Range,
  type EvaluationQuestion,
} from '../../lib/evaluate/index.js';
import type { Chunk } from '../../lib/index.js';

/** Holds what was found for one question against what should have been. */
export interface Judge {
  /** What each hit adds to what was found before it, of 1 in all. */
  gains(hits: readonly Chunk[]): number[];
  /** Gains of all passages, each for itself. */
  readonly ideal: readonly number[];
  /** Share of the hits that is to the point: characters where parts of documents are asked for, else tokens. */
  precision(hits: readonly Chunk[]): number;
}

/** Nothing where no passage of the corpus is to the point. */
export function judgeOf(item: EvaluationQuestion, chunks: readonly Chunk[]): Judge | undefined {
  switch (item.gold.kind) {
    case 'spans':
      return spanJudge(item.gold.documentId, item.gold.spans, chunks);
    case 'documents':
      return documentJudge(item.gold.ids);
    case 'answer':
      return answerJudge(item, chunks);
  }
}

function spanJudge(
  documentId: string,
  gold: readonly Range[],
  chunks: readonly Chunk[],
): Judge | undefined {
  const total = coveredLength(gold);
  const held = (hits: readonly Chunk[]): number =>
    sharedLength(
      hits.filter((chunk) => chunk.documentId === documentId),
      gold,
    );
  const ideal = chunks.map((chunk) => held([chunk]) / total).filter((gain) => gain > 0);
  if (ideal.length === 0) return undefined;
  return {
    ideal,
    gains: (hits) => {
      let before = 0;
      return hits.map((_, i) => {
        const now = held(hits.slice(0, i + 1));
        const gain = (now - before) / total;
        before = now;
        return gain;
      });
    },
    precision: (hits) => held(hits) / hits.reduce((sum, { start, end }) => sum + end - start, 0),
  };
}

function documentJudge(ids: readonly string[]): Judge | undefined {
  const wanted = new Set(ids);
  if (wanted.size === 0) return undefined;
  return {
    ideal: [...wanted].map(() => 1 / wanted.size),
    gains: (hits) => {
      const left = new Set(wanted);
      return hits.map(({ documentId }) => (left.delete(documentId) ? 1 / wanted.size : 0));
    },
    precision: (hits) => shareOfTokens(hits, ({ documentId }) => wanted.has(documentId)),
  };
}

function answerJudge(item: EvaluationQuestion, chunks: readonly Chunk[]): Judge | undefined {
  const own = new Set(item.documents.map(({ id }) => id));
  const answers = item.answers.map(asWords).filter((answer) => answer.trim() !== '');
  const right = new Set<string>();
  for (const { id, documentId, text } of chunks) {
    if (!own.has(documentId)) continue;
    const words = asWords(text);
    if (answers.some((answer) => words.includes(answer))) right.add(id);
  }
  if (right.size === 0) return undefined;
  return {
    // One of them is enough.
    ideal: [1],
    gains: (hits) => {
      const first = hits.findIndex(({ id }) => right.has(id));
      return hits.map((_, i) => (i === first ? 1 : 0));
    },
    precision: (hits) => shareOfTokens(hits, ({ id }) => right.has(id)),
  };
}

/** With spaces at both ends, so that whole words are compared. */
const asWords = (text: string): string => ` ${answerWords(text).join(' ')} `;

function shareOfTokens(hits: readonly Chunk[], isRight: (chunk: Chunk) => boolean): number {
  let [right, all] = [0, 0];
  for (const chunk of hits) {
    all += chunk.tokens.length;
    if (isRight(chunk)) right += chunk.tokens.length;
  }
  return right / all;
}
