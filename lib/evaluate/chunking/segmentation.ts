import { InvalidArgumentError } from '../../errors.js';

/**
 * A segmentation of `size` units (sentences, as a rule): the numbers of the units that begin a segment, ascending, 0
 * left out or not.
 */
export interface Segmentation {
  readonly size: number;
  readonly borders: readonly number[];
}

export interface WindowOptions {
  /** Units between the two ends of the window; default half the mean length of a reference segment, at least 2. */
  readonly window?: number;
}

/**
 * Pk: how often two units so far apart are wrongly put into one segment or into two. 0 is perfect (Beeferman, Berger
 * and Lafferty, Statistical Models for Text Segmentation, 1999).
 *
 * @throws InvalidArgumentError for segmentations of different sizes, or a window that does not fit
 */
export function pk(
  reference: Segmentation,
  hypothesis: Segmentation,
  options: WindowOptions = {},
): number {
  return disagreement(reference, hypothesis, options, (a, b) => a > 0 !== b > 0);
}

/**
 * WindowDiff: how often a window holds another number of borders than it should. 0 is perfect (Pevzner and Hearst, A
 * Critique and Improvement of an Evaluation Metric for Text Segmentation, 2002).
 *
 * @throws InvalidArgumentError for segmentations of different sizes, or a window that does not fit
 */
export function windowDiff(
  reference: Segmentation,
  hypothesis: Segmentation,
  options: WindowOptions = {},
): number {
  return disagreement(reference, hypothesis, options, (a, b) => a !== b);
}

/** Precision, recall and F1 of borders. */
export interface BoundaryScores {
  readonly precision: number;
  readonly recall: number;
  readonly f1: number;
}

/**
 * How many borders are where they should be, or within `tolerance` units (default 0) of it, each matched once. With no
 * border on a side, its share is 1.
 *
 * @throws InvalidArgumentError for segmentations of different sizes
 */
export function boundaryScores(
  reference: Segmentation,
  hypothesis: Segmentation,
  options: { readonly tolerance?: number } = {},
): BoundaryScores {
  checkSizes(reference, hypothesis);
  const { tolerance = 0 } = options;
  const wanted = inner(reference);
  const given = inner(hypothesis);
  let hits = 0;
  let next = 0;
  // Both ascend, so taking the first that is near enough matches as many as can be.
  for (const border of given) {
    while (next < wanted.length && (wanted[next] as number) < border - tolerance) next++;
    if (next < wanted.length && (wanted[next] as number) <= border + tolerance) {
      hits++;
      next++;
    }
  }
  const precision = given.length > 0 ? hits / given.length : 1;
  const recall = wanted.length > 0 ? hits / wanted.length : 1;
  const f1 = precision + recall > 0 ? (2 * precision * recall) / (precision + recall) : 0;
  return { precision, recall, f1 };
}

function disagreement(
  reference: Segmentation,
  hypothesis: Segmentation,
  { window }: WindowOptions,
  differs: (a: number, b: number) => boolean,
): number {
  checkSizes(reference, hypothesis);
  const { size } = reference;
  const segments = inner(reference).length + 1;
  const k = window ?? Math.max(2, Math.round(size / segments / 2));
  if (!Number.isSafeInteger(k) || k < 1 || k >= size) {
    throw new InvalidArgumentError(`A window of ${k} does not fit into ${size} units.`);
  }
  const wanted = counts(reference);
  const given = counts(hypothesis);
  const between = (sums: Int32Array, at: number) => (sums[at + k] as number) - (sums[at] as number);
  let errors = 0;
  for (let at = 0; at + k < size; at++) {
    if (differs(between(wanted, at), between(given, at))) errors++;
  }
  return errors / (size - k);
}

/** Borders at or before each unit. */
function counts(segmentation: Segmentation): Int32Array {
  const sums = new Int32Array(segmentation.size);
  for (const border of inner(segmentation)) sums[border] = 1;
  for (let i = 1; i < sums.length; i++) sums[i] = (sums[i] as number) + (sums[i - 1] as number);
  return sums;
}

function inner({ borders }: Segmentation): number[] {
  return borders.filter((border) => border > 0);
}

function checkSizes(reference: Segmentation, hypothesis: Segmentation): void {
  if (reference.size === hypothesis.size) return;
  throw new InvalidArgumentError(
    `A segmentation of ${reference.size} units cannot be held against one of ${hypothesis.size}.`,
  );
}
