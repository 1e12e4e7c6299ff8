import { seededNormals } from '../../random.js';

export interface SetModelOptions {
  /** Chunks that sets are made of, by their places among the candidates. */
  readonly places: readonly number[];
  /** Of each of them. */
  readonly scores: ArrayLike<number>;
  /** Standard deviation of what pairs are worth to each other, against that of chunks alone. */
  readonly interplay: number;
  readonly random: () => number;
}

/** Variances of the parts of a set's value before anything is judged; values are brought to variance 1 first. */
const constantVariance = 1;
const scoreVariance = 0.25;
const aloneVariance = 0.15;
/** What the model cannot say; keeps the equations solvable. */
const noiseVariance = 0.01;

/**
 * What judged sets say of others. A set's value is taken as a constant, plus a share of its chunks' scores, plus what
 * each chunk is worth alone, plus what each pair is worth together; all of it unknown and normal, so that it is a
 * Gaussian process (Rasmussen and Williams, Gaussian Processes for Machine Learning, section 2.2) whose covariance of
 * two sets needs only the scores and how many chunks they share:
 * `k(S, T) = c + s z(S) z(T) + a m + p m (m - 1) / 2` with `m = |S and T|`.
 *
 * Draws from it (Thompson sampling) try what is promising or little known.
 */
export class SetModel {
  /** Number of a place among those that sets are made of: the arrays must not grow with all candidates. */
  readonly #numberOf: ReadonlyMap<number, number>;
  readonly #scores: Float64Array;
  readonly #pairVariance: number;
  readonly #random: () => number;
  readonly #sets: (readonly number[])[] = [];
  readonly #values: number[] = [];
  /** Lower triangle of the Cholesky factor of the covariance of the judged sets, a row a set. */
  readonly #factor: Float64Array[] = [];

  constructor({ places, scores, interplay, random }: SetModelOptions) {
    this.#numberOf = new Map(places.map((place, number) => [place, number]));
    this.#scores = unitRange(scores);
    this.#pairVariance = aloneVariance * interplay * interplay;
    this.#random = random;
  }

  get observed(): number {
    return this.#values.length;
  }

  observe(places: readonly number[], value: number): void {
    const members = places.map((place) => this.#numberOf.get(place) as number);
    const flags = new Uint8Array(this.#scores.length);
    for (const member of members) flags[member] = 1;
    const score = members.reduce((sum, member) => sum + (this.#scores[member] as number), 0);
    const row = new Float64Array(this.#sets.length + 1);
    for (const [i, set] of this.#sets.entries()) {
      row[i] = this.#covariance(score, flags, set);
    }
    row[row.length - 1] = this.#covariance(score, flags, members) + noiseVariance;
    for (const [i, other] of [...this.#factor, row].entries()) {
      let sum = row[i] as number;
      for (let k = 0; k < i; k++) sum -= (row[k] as number) * (other[k] as number);
      row[i] = i < row.length - 1 ? sum / (other[i] as number) : Math.sqrt(Math.max(sum, 1e-9));
    }
    this.#factor.push(row);
    this.#sets.push(members);
    this.#values.push(value);
  }

  /**
   * A value function drawn from what is known, on a scale of its own; with a `spread` of 0 the one that is expected.
   * (A draw of the prior, corrected by what was judged: Matheron's rule.)
   */
  draw(spread: number): DrawnValue {
    const prior = new PriorDraw(
      this.#scores,
      spread === 0 ? undefined : this.#random,
      spread,
      this.#pairVariance,
    );
    const { mean, deviation } = momentsOf(this.#values);
    const targets = Float64Array.from(
      this.#values,
      (value, i) => (value - mean) / deviation - prior.of(this.#sets[i] as readonly number[]),
    );
    const weights = this.#solve(targets);
    return new DrawnValue(this.#numberOf, prior, {
      scores: this.#scores,
      pairVariance: this.#pairVariance,
      sets: this.#sets,
      weights,
    });
  }

  /** Of one set, by its score and flags, and another. */
  #covariance(scoreOfA: number, flagsOfA: Uint8Array, b: readonly number[]): number {
    let shared = 0;
    let scoreOfB = 0;
    for (const member of b) {
      shared += flagsOfA[member] as number;
      scoreOfB += this.#scores[member] as number;
    }
    return (
      constantVariance +
      scoreVariance * scoreOfA * scoreOfB +
      aloneVariance * shared +
      (this.#pairVariance * shared * (shared - 1)) / 2
    );
  }

  /** Solves `factor factor' x = targets`. */
  #solve(targets: Float64Array): Float64Array {
    const x = Float64Array.from(targets);
    const rows = this.#factor;
    for (const [i, row] of rows.entries()) {
      let sum = x[i] as number;
      for (let k = 0; k < i; k++) sum -= (row[k] as number) * (x[k] as number);
      x[i] = sum / (row[i] as number);
    }
    for (let i = rows.length - 1; i >= 0; i--) {
      let sum = x[i] as number;
      for (let k = i + 1; k < rows.length; k++) {
        sum -= ((rows[k] as Float64Array)[i] as number) * (x[k] as number);
      }
      x[i] = sum / ((rows[i] as Float64Array)[i] as number);
    }
    return x;
  }
}

class PriorDraw {
  readonly alone: Float64Array;
  /** What pairs are worth together, row by row; symmetric. */
  readonly pairs: Float64Array;
  #constant = 0;

  constructor(
    scores: Float64Array,
    random: (() => number) | undefined,
    spread: number,
    pairVariance: number,
  ) {
    const size = scores.length;
    this.alone = new Float64Array(size);
    this.pairs = new Float64Array(size * size);
    if (!random) return;
    const [constant = 0, slope = 0] = seededNormals(random, 2, spread);
    this.#constant = constant * Math.sqrt(constantVariance);
    const normals = seededNormals(random, size, spread * Math.sqrt(aloneVariance));
    for (let i = 0; i < size; i++) {
      this.alone[i] =
        slope * Math.sqrt(scoreVariance) * (scores[i] as number) + (normals[i] as number);
    }
    if (pairVariance === 0) return;
    const drawn = seededNormals(random, (size * (size - 1)) / 2, spread * Math.sqrt(pairVariance));
    let next = 0;
    for (let i = 0; i < size; i++) {
      for (let j = 0; j < i; j++) {
        const worth = drawn[next++] as number;
        this.pairs[i * size + j] = worth;
        this.pairs[j * size + i] = worth;
      }
    }
  }

  /** By numbers, not places. */
  of(members: readonly number[]): number {
    let value = this.#constant;
    for (const [i, member] of members.entries()) {
      value += this.alone[member] as number;
      const row = member * this.alone.length;
      for (const other of members.slice(0, i)) value += this.pairs[row + other] as number;
    }
    return value;
  }
}

interface Observations {
  readonly scores: Float64Array;
  readonly pairVariance: number;
  readonly sets: readonly (readonly number[])[];
  readonly weights: Float64Array;
}

/** One value function that what was judged allows. */
export class DrawnValue {
  readonly #numberOf: ReadonlyMap<number, number>;
  readonly #alone: Float64Array;
  readonly #pairs: Float64Array;

  constructor(
    numberOf: ReadonlyMap<number, number>,
    prior: PriorDraw,
    { scores, pairVariance, sets, weights }: Observations,
  ) {
    const size = scores.length;
    const { alone, pairs } = prior;
    let slope = 0;
    for (const [i, set] of sets.entries()) {
      const weight = weights[i] as number;
      let score = 0;
      for (const member of set) {
        score += scores[member] as number;
        alone[member] = (alone[member] as number) + aloneVariance * weight;
        const row = member * size;
        for (const other of set) {
          pairs[row + other] = (pairs[row + other] as number) + pairVariance * weight;
        }
      }
      slope += scoreVariance * weight * score;
    }
    for (let i = 0; i < size; i++) {
      alone[i] = (alone[i] as number) + slope * (scores[i] as number);
    }
    this.#numberOf = numberOf;
    this.#alone = alone;
    this.#pairs = pairs;
  }

  /** What the chunk of a place would add to a set that it is not in. */
  gain(place: number, set: readonly number[]): number {
    const member = this.#numberOf.get(place) as number;
    let gain = this.#alone[member] as number;
    const row = member * this.#alone.length;
    for (const other of set)
      gain += this.#pairs[row + (this.#numberOf.get(other) as number)] as number;
    return gain;
  }
}

function unitRange(scores: ArrayLike<number>): Float64Array {
  const list = Float64Array.from(scores);
  const worst = list.reduce((least, score) => Math.min(least, score), Infinity);
  const best = list.reduce((most, score) => Math.max(most, score), -Infinity);
  return list.map((score) => (best > worst ? (score - worst) / (best - worst) : 0.5));
}

function momentsOf(values: readonly number[]): { mean: number; deviation: number } {
  if (values.length === 0) return { mean: 0, deviation: 1 };
  const mean = values.reduce((sum, value) => sum + value, 0) / values.length;
  const square = values.reduce((sum, value) => sum + (value - mean) ** 2, 0) / values.length;
  return { mean, deviation: square > 0 ? Math.sqrt(square) : 1 };
}
