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

/**
 * Asks a store for what another tenant has, for what nobody has and for what it has itself, `probes` times each in
 * mixed order. Tells which calls take another time for the first than for the second, and how far apart what it has itself
 * and what nobody has are.
 */
export async function probeTimes(
  mine: ChunkStore,
  theirs: ChunkStore,
  probes = 1000,
): Promise<{ readonly own: number; readonly seen: readonly [string, number][] }> {
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
  const calls: Record<string, (one: string) => Promise<unknown>> = {
    get: (one) => mine.get(one),
    has: (one) => mine.has(one),
    info: (one) => mine.info(one),
  };
  const seen: [string, number][] = [];
  let own = 0;
  for (const [name, call] of Object.entries(calls)) {
    for (let i = 0; i < 200; i++) await call(hashedKey(5 * probes + i));
    const times: Record<string, number[]> = { another: [], nobody: [], own: [] };
    for (const { kind, number } of order) {
      const probed = hashedKey(number);
      const start = performance.now();
      await call(probed);
      times[kind]!.push(performance.now() - start);
    }
    const distance = rankDistance(times.another!, times.nobody!);
    if (distance > 4) seen.push([name, distance]);
    if (name === 'get') own = rankDistance(times.own!, times.nobody!);
  }
  return { own, seen };
}
