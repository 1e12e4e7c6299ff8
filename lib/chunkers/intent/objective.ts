import type { TokenizedDocument } from '../../document.js';
import type { Steps } from '../../pace.js';
import { dot, prefixSums, squaredSum, type Vectors } from '../embedded-units.js';
import { HEADING, PARAGRAPH, type Units } from '../units.js';

/**
 * What a chunk is worth. `paper`: how near it is to its intent, less `lambda` times the square of its sentences. `code`,
 * as the authors' program has it: less `lambda` for each sentence over a target of half of `maxSentences` (at least 5)
 * and half as much for each under it, plus `coherence` times the mean similarity of its sentences, less the cost of
 * its place. Less `beta` for each chunk in both.
 */
export type IntentObjective =
  | { readonly mode: 'paper'; readonly lambda: number }
  | { readonly mode: 'code'; readonly lambda: number; readonly coherence: number };

/** Worth of every run of sentences up to a length, without `beta`, and the intent that it is nearest to. */
export interface Worths {
  readonly maxSentences: number;
  /** `[sentence][length - 1]` of runs that begin with the sentence. */
  readonly values: Float64Array;
  readonly intents: Uint16Array;
}

/**
 * Nearness is the cosine of an intent and the mean of the sentences, the highest of all intents:
 * `R(C) = max_q cos(mean(C), q)`. Sums before each sentence make it a difference of two numbers for each intent.
 */
export function* worthsOf(
  document: TokenizedDocument,
  units: Units,
  sentences: Vectors,
  questions: Vectors,
  maxSentences: number,
  objective: IntentObjective,
): Steps<Worths> {
  const { count, dimensions } = sentences;
  const sums = prefixSums(sentences);
  const nearness = new Float64Array((count + 1) * questions.count);
  for (let i = 0; i < count; i++) {
    for (let q = 0; q < questions.count; q++) {
      const at = i * questions.count + q;
      nearness[at + questions.count] = (nearness[at] as number) + dot(sentences, i, questions, q);
    }
    if ((i & 0x3f) === 0) yield (0.4 * i) / count;
  }
  const costs = objective.mode === 'code' ? placeCosts(document, units, sentences) : undefined;
  const values = new Float64Array(count * maxSentences);
  const intents = new Uint16Array(count * maxSentences);
  for (let from = 0; from < count; from++) {
    for (let length = 1; length <= maxSentences && from + length <= count; length++) {
      const to = from + length;
      const square = squaredSum(sums, dimensions, from, to);
      const size = Math.sqrt(square);
      let best = -Infinity;
      let intent = 0;
      for (let q = 0; q < questions.count; q++) {
        const sum =
          (nearness[to * questions.count + q] as number) -
          (nearness[from * questions.count + q] as number);
        if (sum > best) {
          best = sum;
          intent = q;
        }
      }
      const relevance = size > 0 ? best / size : 0;
      const at = from * maxSentences + length - 1;
      intents[at] = intent;
      if (objective.mode === 'paper') {
        values[at] = relevance - objective.lambda * length * length;
        continue;
      }
      const target = Math.max(5, maxSentences / 2);
      const off = length > target ? length - target : 0.5 * (target - length);
      const coherence = length > 1 ? (square - length) / (length * (length - 1)) : 1;
      values[at] =
        relevance -
        objective.lambda * off +
        objective.coherence * coherence -
        (costs?.[from] as number);
    }
    if ((from & 0x1f) === 0) yield 0.4 + (0.6 * from) / count;
  }
  return { maxSentences, values, intents };
}

const weakStart = /^(?:it|this|these|they|such|therefore|however)(?:\s|$)/i;
const listItem = /^(?:[-*]|\d\d)/;

/**
 * What it costs to begin a chunk with each sentence, by the authors' code: less at sections, paragraphs and ends of
 * sentences and in valleys of similarity; more inside paragraphs, before words that point back, and between a colon
 * and its list.
 */
function placeCosts(document: TokenizedDocument, units: Units, sentences: Vectors): Float64Array {
  const { text, tokens } = document;
  const costs = new Float64Array(units.size);
  const sentence = (unit: number) =>
    text
      .slice(
        tokens.starts[units.starts[unit] as number],
        tokens.starts[units.starts[unit + 1] as number],
      )
      .trim();
  let before = units.size > 0 ? sentence(0) : '';
  for (let unit = 1; unit < units.size; unit++) {
    const next = sentence(unit);
    const kind = units.kinds[unit] as number;
    let cost = kind <= PARAGRAPH ? -0.05 : 0.04;
    if (kind === HEADING) cost -= 0.06;
    if (weakStart.test(next)) cost += 0.05;
    if (before.endsWith(':') && listItem.test(next)) cost += 0.1;
    cost -= 0.05 * Math.max(0, 0.7 - dot(sentences, unit - 1, sentences, unit));
    if (/[.!?]$/.test(before)) cost -= 0.03;
    costs[unit] = cost;
    before = next;
  }
  return costs;
}
