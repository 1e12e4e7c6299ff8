import { InvalidArgumentError } from '../../errors.js';
import {
  byDocument,
  characters,
  intersection,
  type Measure,
  type TextSpan,
  union,
} from './ranges.js';

/** How well retrieved chunks cover the stretches that answer a question; each in [0, 1]. */
export interface RetrievalScores {
  readonly recall: number;
  readonly precision: number;
  readonly iou: number;
}

/**
 * Recall, precision and intersection over union of retrieved chunks (Smith and Troynikov, Evaluating Chunking
 * Strategies for Retrieval, Chroma 2024, and its code):
 *
 *     recall    = |retrieved and referred to| / |references|
 *     precision = |retrieved and referred to| / sum of the chunks' lengths
 *     IoU       = |retrieved and referred to| / (sum of the chunks' lengths + |references that were missed|)
 *
 * Where chunks overlap, what they share counts once above and each time below the line. Chunks of documents without
 * references count as lengths. Lengths are characters unless a `measure` says otherwise.
 *
 * @throws InvalidArgumentError without a reference
 */
export function retrievalScores(
  retrieved: readonly TextSpan[],
  references: readonly TextSpan[],
  measure: Measure = characters,
): RetrievalScores {
  const { found, referred } = overlapOf(retrieved, references, measure);
  let lengths = 0;
  for (const span of retrieved) lengths += measure(span);
  return {
    recall: found / referred,
    precision: lengths > 0 ? found / lengths : 0,
    iou: found / (lengths + referred - found),
  };
}

/**
 * The precision that a chunking allows when retrieval is perfect: of all chunks that touch a reference, the share of
 * their text that is referred to, missed references counted as text that was not (PrecisionOmega of the same source).
 *
 *     |chunks and references| / (|union of the chunks that touch a reference| + |references that were missed|)
 *
 * A chunk that only meets a reference at its border touches it. Overlap counts once.
 *
 * @throws InvalidArgumentError without a reference
 */
export function precisionOmega(
  chunks: readonly TextSpan[],
  references: readonly TextSpan[],
  measure: Measure = characters,
): number {
  const wanted = byDocument(references);
  const touching = chunks.filter(({ documentId, start, end }) =>
    wanted.get(documentId)?.some((range) => start <= range.end && range.start <= end),
  );
  const { found, referred } = overlapOf(touching, references, measure);
  let covered = 0;
  for (const [documentId, spans] of byDocument(touching)) {
    for (const range of union(spans)) covered += measure({ documentId, ...range });
  }
  return found / (covered + referred - found);
}

function overlapOf(
  chunks: readonly TextSpan[],
  references: readonly TextSpan[],
  measure: Measure,
): { found: number; referred: number } {
  const held = byDocument(chunks);
  let found = 0;
  let referred = 0;
  for (const [documentId, spans] of byDocument(references)) {
    const wanted = union(spans);
    for (const range of wanted) referred += measure({ documentId, ...range });
    for (const range of intersection(union(held.get(documentId) ?? []), wanted)) {
      found += measure({ documentId, ...range });
    }
  }
  if (!(referred > 0)) {
    throw new InvalidArgumentError('There is no reference, so nothing could be found.');
  }
  return { found, referred };
}
