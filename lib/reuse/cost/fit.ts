import { solveNonNegative } from './non-negative.js';

/** A measured time and the sizes it came from. */
export interface Observation {
  /** One number for each term, the first of them 1. */
  readonly terms: readonly number[];
  readonly ms: number;
}

/** Observations that are looked at; older ones are forgotten. */
const window = 64;
/** An observation counts half as much after this many newer ones. */
const halfLife = 10;
/** A clock may say that no time passed. */
const leastMs = 1e-4;
/** How strongly terms are pulled to 0 that the observations cannot tell from the main one. */
const pull = 1e-3;
const rounds = 8;
/** Fitting ends when no coefficient changes by more than this share. */
const settled = 1e-3;

/**
 * Milliseconds as a sum of terms with coefficients of at least 0, fitted to the latest observations. Errors
 * count in proportion to the time they are part of, newer observations count more, and those far off the
 * others little: a machine that was busy for a moment does not change what is believed of it.
 */
export class Fit {
  readonly #terms: number;
  readonly #main: number;
  #observations: Observation[] = [];
  /** Observations since the coefficients were fitted. */
  #unseen = 0;
  #coefficients: readonly number[] | undefined;

  /** @param main the term that all is put down to where the observations do not say more. */
  constructor(terms: number, main: number) {
    this.#terms = terms;
    this.#main = main;
  }

  /** Observations that are looked at. */
  get size(): number {
    return this.#observations.length;
  }

  observe(terms: readonly number[], ms: number): void {
    if (!terms.every((term) => Number.isFinite(term) && term >= 0)) return;
    if (!((terms[this.#main] as number) > 0) || !Number.isFinite(ms) || ms < 0) return;
    if (this.#observations.length === window) this.#observations.shift();
    this.#observations.push({ terms: [...terms], ms: Math.max(ms, leastMs) });
    this.#unseen++;
  }

  /** Undefined while nothing was observed. */
  predict(terms: readonly number[]): number | undefined {
    const count = this.#observations.length;
    if (count === 0) return undefined;
    // Where much is known already, one more observation hardly changes it.
    if (!this.#coefficients || this.#unseen >= Math.max(1, count >> 3)) {
      this.#coefficients = fitted(this.#observations, this.#terms, this.#main);
      this.#unseen = 0;
    }
    return dot(this.#coefficients, terms);
  }

  observations(): readonly Observation[] {
    return [...this.#observations];
  }
}

function fitted(observations: readonly Observation[], terms: number, main: number): number[] {
  const ages = observations.map((_, i) => 0.5 ** ((observations.length - 1 - i) / halfLife));
  const rates = observations.map(({ terms: x, ms }) => ms / (x[main] as number));
  let coefficients = Array.from({ length: terms }, () => 0);
  coefficients[main] = weightedMedian(rates, ages);
  for (let round = 0; round < rounds; round++) {
    const scales = observations.map(({ terms: x, ms }) =>
      Math.max(dot(coefficients, x), ms / 10, leastMs),
    );
    const errors = observations.map(({ terms: x, ms }, i) =>
      Math.abs((ms - dot(coefficients, x)) / (scales[i] as number)),
    );
    // What is usual: 1.48 medians are a standard deviation where errors are normal.
    const usual = 1.5 * Math.max(0.02, 1.48 * weightedMedian(errors, ages));
    const weights = errors.map((error, i) => (ages[i] as number) * Math.min(1, usual / error) ** 2);
    const before = coefficients;
    coefficients = weightedLeastSquares(observations, weights, scales, terms, main);
    const isSettled = coefficients.every((value, j) => {
      const was = before[j] as number;
      return Math.abs(value - was) <= settled * was;
    });
    if (isSettled) break;
  }
  return coefficients;
}

function weightedLeastSquares(
  observations: readonly Observation[],
  weights: readonly number[],
  scales: readonly number[],
  terms: number,
  main: number,
): number[] {
  const a = Array.from({ length: terms }, () => Array.from({ length: terms }, () => 0));
  const b = Array.from({ length: terms }, () => 0);
  for (const [i, { terms: x, ms }] of observations.entries()) {
    const scale = scales[i] as number;
    const weight = (weights[i] as number) / scale ** 2;
    for (let j = 0; j < terms; j++) {
      const row = a[j] as number[];
      const weighted = weight * (x[j] as number);
      for (let k = 0; k < terms; k++) row[k] = (row[k] as number) + weighted * (x[k] as number);
      b[j] = (b[j] as number) + weighted * ms;
    }
  }
  // Terms differ by orders of magnitude: solved in units in which each is as long as any other.
  const lengths = a.map((row, j) => Math.sqrt(row[j] as number) || 1);
  for (let j = 0; j < terms; j++) {
    const row = a[j] as number[];
    for (let k = 0; k < terms; k++) {
      row[k] = (row[k] as number) / ((lengths[j] as number) * (lengths[k] as number));
    }
    if (j !== main) row[j] = (row[j] as number) + pull;
    b[j] = (b[j] as number) / (lengths[j] as number);
  }
  return solveNonNegative(a, b).map((value, j) => value / (lengths[j] as number));
}

function weightedMedian(values: readonly number[], weights: readonly number[]): number {
  const order = values
    .map((_, i) => i)
    .sort((i, j) => (values[i] as number) - (values[j] as number));
  let left = weights.reduce((sum, weight) => sum + weight, 0) / 2;
  for (const i of order) {
    left -= weights[i] as number;
    if (left <= 0) return values[i] as number;
  }
  return 0;
}

function dot(a: readonly number[], b: readonly number[]): number {
  let sum = 0;
  for (let i = 0; i < a.length; i++) sum += (a[i] as number) * (b[i] as number);
  return sum;
}
