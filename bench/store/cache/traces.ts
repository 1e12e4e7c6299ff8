import { seededNormals, seededRandom } from '../../../lib/random.js';

/** What is asked for. */
export interface Item {
  readonly bytes: number;
  /** Milliseconds that computing it takes. */
  readonly computeMs: number;
  /** Share of it that is computed again at each use. */
  readonly fixOverhead: number;
}

/** What a cache is tried on. */
export interface Run {
  /** Numbers of items, in the order in which they are asked for. */
  readonly requests: Int32Array;
  readonly items: readonly Item[];
  /** Bytes. */
  readonly capacity: number;
}

/** Shares in [0, 1] of what all requests asked for. */
export interface Saved {
  readonly hits: number;
  readonly bytes: number;
  /** Computing time that hits saved, less what their repair took. */
  readonly compute: number;
}

const ITEMS = 2000;
const REQUESTS = 40_000;
/** Of a model of 8 billion parameters. */
const BYTES_A_TOKEN = 131_072;

/** Items of 250 tokens, all alike. */
export function equalItems(): Item[] {
  return Array.from({ length: ITEMS }, () => itemOf(250, 1, 0.15));
}

/**
 * Tokens are log-normal around 250, a third above 400; computing takes longer than in proportion, on a machine that is
 * now busier and now less; repairs are anything from none to nearly all.
 */
export function variedItems(): Item[] {
  const random = seededRandom(3);
  const sizes = seededNormals(random, ITEMS, 1);
  const loads = seededNormals(random, ITEMS, 0.5);
  return Array.from({ length: ITEMS }, (_, i) => {
    const tokens = Math.round(250 * Math.exp(sizes[i] as number));
    const bounded = Math.max(8, Math.min(8192, tokens));
    return itemOf(bounded, Math.exp(loads[i] as number), 0.9 * random() ** 2);
  });
}

function itemOf(tokens: number, busy: number, fixOverhead: number): Item {
  const computeMs = (3 * tokens + tokens ** 2 / 500) * busy;
  return { bytes: tokens * BYTES_A_TOKEN, computeMs, fixOverhead };
}

/** Popularity falls with rank to the power of 0.9. */
export function zipf(): Int32Array {
  const random = seededRandom(1);
  const cumulative = new Float64Array(ITEMS);
  let sum = 0;
  for (let i = 0; i < ITEMS; i++) cumulative[i] = sum += 1 / (i + 1) ** 0.9;
  return Int32Array.from({ length: REQUESTS }, () => {
    const at = random() * sum;
    let low = 0;
    let high = ITEMS - 1;
    while (low < high) {
      const middle = (low + high) >> 1;
      if ((cumulative[middle] as number) < at) low = middle + 1;
      else high = middle;
    }
    // Rank says nothing about the item.
    return (low * 7919) % ITEMS;
  });
}

/** A hot twentieth, with everything scanned once in between now and then. */
export function scanThenHot(): Int32Array {
  const random = seededRandom(2);
  const requests: number[] = [];
  while (requests.length < REQUESTS) {
    for (let i = 0; i < ITEMS; i++) requests.push(i);
    for (let i = 0; i < 4 * ITEMS; i++) requests.push(Math.floor(random() * (ITEMS / 20)));
  }
  return Int32Array.from(requests.slice(0, REQUESTS));
}

/** Adds up what hits save. */
export class Tally {
  readonly #run: Run;
  #hits = 0;
  #bytes = 0;
  #compute = 0;

  constructor(run: Run) {
    this.#run = run;
  }

  hit({ bytes, computeMs, fixOverhead }: Item): void {
    this.#hits++;
    this.#bytes += bytes;
    this.#compute += computeMs * (1 - fixOverhead);
  }

  shares(): Saved {
    const { requests, items } = this.#run;
    let bytes = 0;
    let compute = 0;
    for (const number of requests) {
      const item = items[number] as Item;
      bytes += item.bytes;
      compute += item.computeMs;
    }
    return {
      hits: this.#hits / requests.length,
      bytes: this.#bytes / bytes,
      compute: this.#compute / compute,
    };
  }
}
