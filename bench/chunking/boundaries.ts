import {
  boundaryScores,
  mean,
  pk,
  type Segmentation,
  windowDiff,
} from '../../lib/evaluate/index.js';
import { chunkDocument, type TokenizedDocument } from '../../lib/index.js';
import { unitsOf } from '../../lib/chunkers/units.js';
import { runSteps } from '../../lib/pace.js';
import { seededInteger, seededRandom } from '../../lib/random.js';
import type { Cl100kTokenizer } from './cl100k.js';
import type { ChunkerKind } from './kinds.js';
import { tune, type TuneOptions } from './tune.js';

export interface BorderScores {
  readonly f1: number;
  readonly pk: number;
  readonly windowDiff: number;
}

/** Random segmentations that chance is the mean of. */
const draws = 200;

/** A text whose paragraphs are known but no longer marked. */
export interface Unmarked {
  readonly document: TokenizedDocument;
  /** Sentences, and those that begin a paragraph. */
  readonly reference: Segmentation;
  /** Place of each sentence. */
  readonly places: readonly number[];
  /** Of a paragraph. */
  readonly meanTokens: number;
}

/**
 * Makes one line of a text: between paragraphs, at blank lines or, where there is none, at ends of lines, is a space only.
 * Undefined for a text with fewer than five paragraphs.
 */
export async function unmark(
  { id, text }: { readonly id: string; readonly text: string },
  tokenizer: Cl100kTokenizer,
): Promise<Unmarked | undefined> {
  const mark = /\n\s*\n/.test(text) ? /\n\s*\n/ : /\n/;
  const paragraphs = text
    .split(mark)
    .map((paragraph) => paragraph.replace(/\s+/g, ' ').trim())
    .filter((paragraph) => paragraph !== '');
  if (paragraphs.length < 5) return undefined;
  const flat = paragraphs.join(' ');
  const document = {
    id,
    text: flat,
    metadata: { format: 'text' },
    tokens: await tokenizer.encode(flat),
  };
  const { starts, size } = await runSteps(unitsOf(document, 120), {});
  const places = Array.from(
    starts.subarray(0, size),
    (token) => document.tokens.starts[token] as number,
  );
  let at = 0;
  const begins = paragraphs.map((paragraph) => {
    const begin = at;
    at += paragraph.length + 1;
    return begin;
  });
  const reference = segmentationAt(places, begins);
  const meanTokens = Math.max(8, document.tokens.ids.length / (reference.borders.length + 1));
  return { document, places, reference, meanTokens };
}

/** Borders at the sentences that are nearest to places of the text. */
function segmentationAt(places: readonly number[], begins: readonly number[]): Segmentation {
  const borders = new Set<number>();
  let unit = 0;
  for (const begin of begins) {
    const off = (i: number): number => Math.abs((places[i] ?? Infinity) - begin);
    while (off(unit + 1) <= off(unit)) unit++;
    if (unit > 0) borders.add(unit);
  }
  return { size: places.length, borders: [...borders] };
}

/** How well a chunker finds the paragraphs, its chunks as long on average as they. */
export async function bordersOf(
  kind: ChunkerKind,
  { document, reference, places, meanTokens }: Unmarked,
  options: TuneOptions = {},
): Promise<BorderScores> {
  const { chunker } = await tune(kind, [document], meanTokens, options);
  const chunks = await chunkDocument(document, { chunker });
  return scoresAt(
    reference,
    segmentationAt(
      places,
      chunks.map(({ start, text }) => start + text.length - text.trimStart().length),
    ),
  );
}

/** As many borders as there are, anywhere. */
export function chanceOf({ reference }: Unmarked, seed = 1): BorderScores {
  const random = seededRandom(seed);
  const scores = Array.from({ length: draws }, () => {
    const borders = new Set<number>();
    while (borders.size < reference.borders.length) {
      borders.add(1 + seededInteger(random, reference.size - 1));
    }
    return scoresAt(reference, {
      size: reference.size,
      borders: [...borders].sort((a, b) => a - b),
    });
  });
  return {
    f1: mean(scores.map(({ f1 }) => f1)),
    pk: mean(scores.map((one) => one.pk)),
    windowDiff: mean(scores.map((one) => one.windowDiff)),
  };
}

const scoresAt = (reference: Segmentation, hypothesis: Segmentation): BorderScores => ({
  f1: boundaryScores(reference, hypothesis).f1,
  pk: pk(reference, hypothesis),
  windowDiff: windowDiff(reference, hypothesis),
});
