import type { Chunk } from '../document.js';
import { runSteps, type Steps } from '../pace.js';
import type { Embedder } from './embedder.js';
import { embedChecked } from './situate.js';
import { englishStopWords } from './stop-words.js';
import { termsOf } from './terms.js';

/** How alike two passages are, by number among those it was made of. 1 for equal ones. */
export type Similarity = (a: number, b: number) => number;

/** Prepares a comparison of passages. */
export type SimilarityMeasure = (
  chunks: readonly Chunk[],
  options: { readonly signal?: AbortSignal },
) => Promise<Similarity>;

/** Cosine of the counts of terms, English function words left out. Needs no model. */
export function termSimilarity(): SimilarityMeasure {
  return async (chunks, { signal }) => {
    const counts = await runSteps(allCounts(chunks), signal ? { signal } : {});
    return (a, b) => cosineOfCounts(counts[a] as TermCounts, counts[b] as TermCounts);
  };
}

/** Cosine of vectors. Passages are embedded when they are met first; the last `kept` (default 2,000) are remembered. */
export function vectorSimilarity(embedder: Embedder, kept = 2000): SimilarityMeasure {
  const known = new Map<string, Float32Array>();
  return async (chunks, { signal }) => {
    const vectors = new Map<string, Float32Array>();
    for (const { text } of chunks) {
      const vector = known.get(text);
      if (vector) vectors.set(text, vector);
    }
    const missing = [...new Set(chunks.map(({ text }) => text))].filter(
      (text) => !vectors.has(text),
    );
    if (missing.length > 0) {
      const made = await embedChecked(embedder, missing, 'passage', signal);
      for (const [i, text] of missing.entries()) vectors.set(text, made[i] as Float32Array);
    }
    for (const [text, vector] of vectors) {
      // Used last, forgotten last.
      known.delete(text);
      known.set(text, vector);
    }
    for (const text of known.keys()) {
      if (known.size <= kept) break;
      known.delete(text);
    }
    const list = chunks.map(({ text }) => vectors.get(text) as Float32Array);
    return (a, b) => innerProduct(list[a] as Float32Array, list[b] as Float32Array);
  };
}

interface TermCounts {
  readonly counts: ReadonlyMap<string, number>;
  readonly length: number;
}

function* allCounts(chunks: readonly Chunk[]): Steps<TermCounts[]> {
  const all: TermCounts[] = [];
  for (const { text } of chunks) {
    all.push(countsOf(text));
    yield all.length / chunks.length;
  }
  return all;
}

function countsOf(text: string): TermCounts {
  const counts = new Map<string, number>();
  for (const term of termsOf(text)) {
    if (!englishStopWords.has(term)) counts.set(term, (counts.get(term) ?? 0) + 1);
  }
  let squares = 0;
  for (const count of counts.values()) squares += count * count;
  return { counts, length: Math.sqrt(squares) };
}

function cosineOfCounts(a: TermCounts, b: TermCounts): number {
  if (a.length === 0 || b.length === 0) return 0;
  let sum = 0;
  for (const [term, count] of a.counts) sum += count * (b.counts.get(term) ?? 0);
  return sum / (a.length * b.length);
}

function innerProduct(a: Float32Array, b: Float32Array): number {
  let sum = 0;
  for (let i = 0; i < a.length; i++) sum += (a[i] as number) * (b[i] as number);
  return sum;
}
