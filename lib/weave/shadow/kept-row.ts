import { logSumExp } from '../../engine/decode.js';

/** What is kept of a row of logits: a thousandth of it. */
export interface KeptRow {
  /** The likeliest tokens, likeliest first, and the natural logarithms of their probabilities. */
  readonly tokens: Int32Array;
  readonly logprobs: Float64Array;
  /** Logarithm of what all others have together; -Infinity where there are none. */
  readonly others: number;
}

export function keepRow(logits: Float32Array, count = 64): KeptRow {
  const most = Math.min(count, logits.length);
  const tokens = new Int32Array(most);
  const heights = new Float64Array(most).fill(-Infinity);
  for (let token = 0; token < logits.length; token++) {
    const height = logits[token] as number;
    if (!(height > (heights[most - 1] as number))) continue;
    let place = most - 1;
    for (; place > 0 && height > (heights[place - 1] as number); place--) {
      heights[place] = heights[place - 1] as number;
      tokens[place] = tokens[place - 1] as number;
    }
    heights[place] = height;
    tokens[place] = token;
  }
  // What is impossible took no place.
  const found = heights.findIndex((height) => height === -Infinity);
  const kept = tokens.slice(0, found < 0 ? most : found);
  const total = logSumExp(logits);
  return {
    tokens: kept,
    logprobs: heights.slice(0, kept.length).map((height) => height - total),
    others: othersOf(logits, kept, total),
  };
}

/** How far a distribution is from a reference. */
export interface RowDistance {
  /** Of the reference from the kept row, in nats, tokens that were not kept taken together; at least 0. */
  readonly kl: number;
  /** Both hold the same token for the likeliest. */
  readonly agrees: boolean;
}

export function distanceOf(
  { tokens, logprobs, others }: KeptRow,
  reference: Float32Array,
): RowDistance {
  const total = logSumExp(reference);
  let kl = 0;
  for (let i = 0; i < tokens.length; i++) {
    const log = (reference[tokens[i] as number] as number) - total;
    kl += term(log, logprobs[i] as number);
  }
  kl += term(othersOf(reference, tokens, total), others);
  const best = tokens[0] as number;
  const height = reference[best] as number;
  // Of equal heights the first counts, as it does for those who choose tokens.
  const agrees = reference.every(
    (other, token) => other < height || (other === height && token >= best),
  );
  return { kl: Math.max(0, kl), agrees };
}

/** What is never said cannot be said otherwise; what is all but impossible counts as the least number there is. */
function term(log: number, other: number): number {
  const weight = Math.exp(log);
  return weight > 0 ? weight * (log - Math.max(other, -745)) : 0;
}

/** Logarithm of the probability that these tokens leave to all others. */
function othersOf(logits: Float32Array, tokens: Int32Array, total: number): number {
  if (tokens.length >= logits.length) return -Infinity;
  let left = 1;
  for (const token of tokens) left -= Math.exp((logits[token] as number) - total);
  // Only what is nearly nothing is added up for the digits that a difference loses.
  if (left > 1e-4) return Math.log(left);
  const kept = new Set(tokens);
  let sum = 0;
  for (let token = 0; token < logits.length; token++) {
    if (!kept.has(token)) sum += Math.exp((logits[token] as number) - total);
  }
  return Math.log(sum);
}
