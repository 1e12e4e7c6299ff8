import { type Item, type Run, type Saved, Tally } from './traces.js';

/** When each request's item is asked for next; the number of requests where it is not. */
function nextUses(requests: Int32Array): Int32Array {
  const next = new Int32Array(requests.length);
  const seen = new Map<number, number>();
  for (let i = requests.length - 1; i >= 0; i--) {
    const number = requests[i] as number;
    next[i] = seen.get(number) ?? requests.length;
    seen.set(number, i);
  }
  return next;
}

/** Evicts what is needed latest. For items of one size no policy has more hits. */
export function belady(run: Run): Saved {
  const { requests, items, capacity } = run;
  const next = nextUses(requests);
  const held = new Map<number, number>();
  const tally = new Tally(run);
  let free = capacity;
  for (const [i, number] of requests.entries()) {
    const item = items[number] as Item;
    if (held.has(number)) tally.hit(item);
    else free -= item.bytes;
    held.set(number, next[i] as number);
    while (free < 0) {
      let latest = -1;
      let victim = -1;
      // The one that was just asked for may be the one that is needed latest: then it is not kept at all.
      for (const [other, needed] of held) {
        if (needed > latest) [victim, latest] = [other, needed];
      }
      held.delete(victim);
      free += (items[victim] as Item).bytes;
    }
  }
  return tally.shares();
}

/**
 * What no policy exceeds, by each of the measures. A hit takes its item's bytes from one request to the next, and all
 * that a cache has is its capacity over all requests; the hits that are worth most for what they take, until that is used
 * up, with no regard to when (PFOO-L of Berger, Beckmann and Harchol-Balter, arXiv 1711.03709).
 */
export function mostPossible(run: Run): Saved {
  const { items } = run;
  const worth: Record<keyof Saved, (item: Item) => number> = {
    hits: () => 1,
    bytes: ({ bytes }) => bytes,
    compute: ({ computeMs, fixOverhead }) => computeMs * (1 - fixOverhead),
  };
  const next = nextUses(run.requests);
  const hits = Array.from(run.requests.entries())
    .filter(([i]) => (next[i] as number) < run.requests.length)
    .map(([i, number]) => {
      const item = items[number] as Item;
      return { item, takes: item.bytes * ((next[i] as number) - i) };
    });
  const best = (measure: keyof Saved): number => {
    const value = worth[measure];
    const order = hits.toSorted((a, b) => value(b.item) / b.takes - value(a.item) / a.takes);
    const tally = new Tally(run);
    let left = run.capacity * run.requests.length;
    for (const { item, takes } of order) {
      // The last one counts in full though it may not fit: a bound may not fall below what can be reached.
      if (left <= 0) break;
      tally.hit(item);
      left -= takes;
    }
    return tally.shares()[measure];
  };
  return { hits: best('hits'), bytes: best('bytes'), compute: best('compute') };
}
