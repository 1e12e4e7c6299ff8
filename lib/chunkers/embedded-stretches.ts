import type { TokenizedDocument } from '../document.js';
import { part, type Steps } from '../pace.js';
import type { Embedder } from '../retrieve/embedder.js';
import type { ChunkOptions } from './chunker.js';
import { embedTexts, type FailedTexts, type Vectors } from './embedded-units.js';
import { mergeUnits } from './merge-units.js';
import type { OnChunkingNotice } from './model/notice.js';
import type { Units } from './units.js';

/** Vectors of units, and the units that have none. */
export interface EmbeddedUnits {
  readonly vectors: Vectors;
  readonly failed: readonly FailedTexts[];
}

/** Embeds the text of each unit; where that fails, `onNotice` is told of the part of the document. */
export async function embedUnits(
  document: TokenizedDocument,
  { starts }: Units,
  texts: readonly string[],
  { embedder, onNotice }: { readonly embedder: Embedder; readonly onNotice?: OnChunkingNotice },
  options: ChunkOptions,
): Promise<EmbeddedUnits> {
  const failed: FailedTexts[] = [];
  const onFailed = (texts: FailedTexts) => void failed.push(texts);
  const vectors = await embedTexts(embedder, texts, 'passage', { ...options, onFailed });
  const placeOf = (unit: number) => document.tokens.starts[starts[unit] as number] as number;
  for (const { from, to, isTried, cause } of failed) {
    const why = isTried ? `failed (${String(cause)})` : 'was asked no more after it had failed';
    onNotice?.({
      kind: 'structural-fallback',
      documentId: document.id,
      start: placeOf(from),
      end: placeOf(to),
      message: `A part of document "${document.id}" was cut by its structure: the embedder "${embedder.fingerprint}" ${why}.`,
      cause,
    });
  }
  return { vectors, failed };
}

/**
 * Units that begin chunks: those that `cut` finds in each stretch of units with vectors, and between stretches what is cut by
 * structure alone.
 */
export function* bordersInStretches(
  document: TokenizedDocument,
  units: Units,
  { vectors, failed }: EmbeddedUnits,
  maxTokens: number,
  cut: (units: Units, vectors: Vectors) => Steps<ArrayLike<number>>,
): Steps<ArrayLike<number>> {
  if (failed.length === 0) return yield* cut(units, vectors);
  const borders: number[] = [];
  const add = function* (from: number, to: number, isFailed: boolean): Steps<void> {
    if (to <= from) return;
    const own = unitsIn(units, from, to);
    const steps = isFailed
      ? mergeUnits(document, own, maxTokens)
      : cut(own, vectorsIn(vectors, from, to));
    const found = yield* part(steps, from / units.size, to / units.size);
    for (let i = 0; i < found.length; i++) borders.push(from + (found[i] as number));
  };
  let last = 0;
  for (const { from, to } of runsOf(failed)) {
    yield* add(last, from, false);
    yield* add(from, to, true);
    last = to;
  }
  yield* add(last, units.size, false);
  return borders;
}

/** Those that follow each other are one. */
function runsOf(failed: readonly FailedTexts[]): { from: number; to: number }[] {
  const runs: { from: number; to: number }[] = [];
  for (const { from, to } of failed) {
    const last = runs.at(-1);
    if (last?.to === from) last.to = to;
    else runs.push({ from, to });
  }
  return runs;
}

function unitsIn({ starts, kinds, outline }: Units, from: number, to: number): Units {
  return {
    size: to - from,
    starts: starts.subarray(from, to + 1),
    kinds: kinds.subarray(from, to),
    outline,
  };
}

function vectorsIn({ dimensions, values }: Vectors, from: number, to: number): Vectors {
  return {
    count: to - from,
    dimensions,
    values: values.subarray(from * dimensions, to * dimensions),
  };
}
