import type { Chunk } from '../../lib/index.js';
import type { ScoredChunk, SetValue } from '../../lib/index.js';
import { seededInteger, seededNormals, seededRandom } from '../../lib/random.js';

/**
 * A question with candidates of which everything is known. What chunks do for an answer:
 *
 * - facts: several chunks tell the same one, each to a degree; telling it twice adds little.
 * - hops: a bridge and what it leads to are worth something together and nothing alone; each may stand in several
 *   chunks.
 * - distractors: near misses that a retriever likes and that lower the value.
 * - fillers: worth nothing.
 */
export interface Instance {
  readonly question: string;
  readonly candidates: readonly ScoredChunk[];
  readonly budget: number;
  readonly facts: readonly Fact[];
  readonly hops: readonly Hop[];
  /** What a candidate takes away, whatever else is there. */
  readonly harm: Float64Array;
}

export interface Fact {
  readonly weight: number;
  /** Degree to which each candidate tells it, in [0, 1). */
  readonly told: Float64Array;
}

export interface Hop {
  readonly weight: number;
  readonly bridges: readonly number[];
  readonly ends: readonly number[];
}

export const candidateCount = 30;

type Kind = 'fact' | 'bridge' | 'end' | 'distractor' | 'filler';

/** Where a lexical or dense retriever puts chunks of a kind, on average, in [0, 1]. */
const meanScore: Readonly<Record<Kind, number>> = {
  fact: 0.6,
  bridge: 0.5,
  // The question does not name what only the bridge names.
  end: 0.3,
  distractor: 0.6,
  filler: 0.3,
};
const scoreDeviation = 0.15;

/** Equal seeds give equal instances. */
export function makeInstance(seed: number): Instance {
  const random = seededRandom(seed);
  const between = (low: number, high: number): number => low + (high - low) * random();
  const whole = (low: number, high: number): number => low + seededInteger(random, high - low + 1);
  const kinds: Kind[] = [];
  const add = (kind: Kind): number => kinds.push(kind) - 1;

  const facts = Array.from({ length: whole(3, 5) }, () => ({
    weight: between(0.5, 1),
    tellers: Array.from({ length: whole(1, 3) }, () => [add('fact'), between(0.4, 0.95)] as const),
  }));
  const hops = Array.from({ length: whole(0, 3) }, () => ({
    weight: between(0.8, 1.6),
    bridges: Array.from({ length: whole(1, 2) }, () => add('bridge')),
    ends: Array.from({ length: whole(1, 2) }, () => add('end')),
  }));
  const harms = new Map<number, number>();
  for (let left = whole(4, 7); left > 0 && kinds.length < candidateCount; left--) {
    harms.set(add('distractor'), between(0.1, 0.5));
  }
  while (kinds.length < candidateCount) add('filler');

  const noise = seededNormals(random, candidateCount, scoreDeviation);
  const scores = kinds.map((kind, i) => meanScore[kind] + (noise[i] as number));
  const costs = kinds.map(() => whole(60, 200));
  const ranked = kinds
    .map((_, i) => i)
    .sort((a, b) => (scores[b] as number) - (scores[a] as number));
  const placeOf = new Map(ranked.map((i, place) => [i, place]));
  const at = (i: number): number => placeOf.get(i) as number;
  const spread = (pairs: Iterable<readonly [number, number]>): Float64Array => {
    const list = new Float64Array(candidateCount);
    for (const [i, number] of pairs) list[at(i)] = number;
    return list;
  };
  return {
    question: `question ${seed}`,
    candidates: ranked.map((i) => candidateOf(i, scores[i] as number, costs[i] as number)),
    // Of chunks of 130 tokens on average.
    budget: 130 * whole(5, 8),
    facts: facts.map(({ weight, tellers }) => ({ weight, told: spread(tellers) })),
    hops: hops.map(({ weight, bridges, ends }) => ({
      weight,
      bridges: bridges.map(at),
      ends: ends.map(at),
    })),
    harm: spread(harms),
  };
}

function candidateOf(i: number, score: number, cost: number): ScoredChunk {
  const chunk: Chunk = {
    id: `c${i}`,
    documentId: `d${i}`,
    start: 0,
    end: 1,
    text: 'x',
    tokens: new Int32Array(cost),
    tokenStart: 0,
  };
  return { chunk, score };
}

/** Worth of a set of places. */
export function worthOf({ facts, hops, harm }: Instance, members: readonly number[]): number {
  let worth = 0;
  for (const { weight, told } of facts) {
    let untold = 1;
    for (const member of members) untold *= 1 - (told[member] as number);
    worth += weight * (1 - untold);
  }
  for (const { weight, bridges, ends } of hops) {
    const has = (places: readonly number[]): boolean =>
      places.some((place) => members.includes(place));
    if (has(bridges) && has(ends)) worth += weight;
  }
  for (const member of members) worth -= harm[member] as number;
  return worth;
}

export function valueOf(instance: Instance): SetValue {
  const placeOf = new Map(instance.candidates.map(({ chunk }, place) => [chunk.id, place]));
  return {
    name: 'known worth',
    of: async (sets) =>
      sets.map((set) =>
        worthOf(
          instance,
          set.map(({ chunk }) => placeOf.get(chunk.id) as number),
        ),
      ),
  };
}
