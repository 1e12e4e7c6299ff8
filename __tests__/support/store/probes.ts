import type { ChunkStore } from '../../../lib/index.js';
import { sampleRecord, seededRandom } from '../../../lib/testing/index.js';
import { hashedKey } from './records.js';

/**
 * How far the ranks of two samples lie apart, in standard deviations of what chance does (Mann-Whitney). For equal
 * times it is above 4 once in 16,000 runs.
 */
function rankDistance(a: readonly number[], b: readonly number[]): number {
  const all = [...a.map((value) => ({ value, a: 1 })), ...b.map((value) => ({ value, a: 0 }))];
  all.sort((x, y) => x.value - y.value);
  let ranks = 0;
  for (let from = 0; from < all.length;) {
    let to = from;
    while (all[to]?.value === all[from]!.value) to++;
    for (let i = from; i < to; i++) ranks += all[i]!.a * ((from + to + 1) / 2);
    from = to;
  }
  const mean = (a.length * (all.length + 1)) / 2;
  const deviation = Math.sqrt((mean * b.length) / 6);
  return Math.abs(ranks - mean) / deviation;
}

export type ProbedCall = 'get' | 'has' | 'info';

export interface ProbeTimes {
  /** How far apart what a store has itself and what nobody has are: whoever probes could tell these. */
  readonly own: Readonly<Record<ProbedCall, number>>;
  /** The smallest share of its usual time by which a call would have to differ to be told apart. */
  readonly least: Readonly<Record<ProbedCall, number>>;
  /** Calls that take another time for what another tenant has than for what nobody has, and how far apart they are. */
  readonly seen: readonly [ProbedCall, number][];
}

/** A distance that chance does not reach. */
const told = 4;

/** From what share on a delay of one sample, but not of the other, is told. */
function leastTold(a: readonly number[], b: readonly number[]): number {
  const usual = [...b].sort((x, y) => x - y)[b.length >> 1]!;
  for (let share = 0.01; share < 10; share *= 1.25) {
    const delayed = a.map((value) => value + share * usual);
    if (rankDistance(delayed, b) > told) return share;
  }
  return Infinity;
}

/**
 * Asks a store for what another tenant has, for what nobody has and for what it has itself, `probes` times each in
 * mixed order.
 */
export async function probeTimes(
  mine: ChunkStore,
  theirs: ChunkStore,
  probes = 1000,
): Promise<ProbeTimes> {
  for (let number = 0; number < probes; number++) {
    await theirs.put(hashedKey(number), sampleRecord());
    // Of its own, as there would be after some time.
    if (number % 2) await mine.put(hashedKey(2 * probes + number), sampleRecord());
  }
  const kinds = { another: 0, nobody: probes, own: 2 * probes };
  const random = seededRandom(1);
  const order = Object.entries(kinds)
    .flatMap(([kind, first]) =>
      Array.from({ length: probes }, (_, i) => ({ kind, number: first + i, at: random() })),
    )
    .filter(({ kind, number }) => kind !== 'own' || number % 2)
    .sort((a, b) => a.at - b.at);
  const calls: Record<ProbedCall, (one: string) => Promise<unknown>> = {
    get: (one) => mine.get(one),
    has: (one) => mine.has(one),
    info: (one) => mine.info(one),
  };
  const seen: [ProbedCall, number][] = [];
  const own = { get: 0, has: 0, info: 0 };
  const least = { get: 0, has: 0, info: 0 };
  for (const name of ['get', 'has', 'info'] as const) {
    const call = calls[name];
    for (let i = 0; i < 200; i++) await call(hashedKey(5 * probes + i));
    const times: Record<string, number[]> = { another: [], nobody: [], own: [] };
    for (const { kind, number } of order) {
      const probed = hashedKey(number);
      const start = performance.now();
      await call(probed);
      times[kind]!.push(performance.now() - start);
    }
    const distance = rankDistance(times.another!, times.nobody!);
    if (distance > told) seen.push([name, distance]);
    own[name] = rankDistance(times.own!, times.nobody!);
    least[name] = leastTold(times.another!, times.nobody!);
  }
  return { own, least, seen };
}
