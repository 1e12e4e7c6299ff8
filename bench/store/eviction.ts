import {
  type ChunkRecord,
  type EvictionPolicyFactory,
  gdsfPolicy,
  lruPolicy,
  memoryStore,
  reusePolicy,
} from '../../lib/index.js';
import { round } from '../harness.js';
import type { StoreBench } from './part.js';
import { keyOf } from './records.js';

const ITEMS = 2000;
const REQUESTS = 40_000;
const CAPACITY = 0.1;

const policies: Readonly<Record<string, EvictionPolicyFactory>> = {
  lru: lruPolicy,
  gdsf: gdsfPolicy,
  gdsfAdmission: () => gdsfPolicy({ admission: true }),
  reuse: reusePolicy,
};

/** Hit rates at a tenth of what would hold everything, against Belady's optimum for records of one size. */
export const eviction: StoreBench = async ({ outcome: { figures } }) => {
  for (const [trace, requests] of Object.entries({ zipf: zipf(), scanThenHot: scanThenHot() })) {
    const slots = Math.round(ITEMS * CAPACITY);
    figures[`hitRate.${trace}.belady`] = round(belady(requests, slots));
    for (const [name, policy] of Object.entries(policies)) {
      figures[`hitRate.${trace}.${name}`] = round(await hitRate(requests, slots, policy));
    }
  }
};

async function hitRate(
  requests: Int32Array,
  slots: number,
  eviction: EvictionPolicyFactory,
): Promise<number> {
  const one = tinyRecord(0);
  const probe = memoryStore();
  await probe.put(keyOf(0), one);
  const { bytes } = await probe.stats();
  const store = memoryStore({ maxBytes: bytes * slots, eviction });
  let hits = 0;
  for (const item of requests) {
    if (await store.get(keyOf(item))) hits++;
    else await store.put(keyOf(item), tinyRecord(item));
  }
  await store.close();
  await probe.close();
  return hits / requests.length;
}

function tinyRecord(seed: number): ChunkRecord {
  const layout = { layers: 1, keyWidth: 2, valueWidth: 2, type: 'f16' } as const;
  return {
    kv: {
      fingerprint: 'bench',
      layout,
      tokens: Int32Array.of(seed),
      data: new Uint8Array(8),
      layers: { from: 0, to: 1 },
    },
    computeMs: 100,
    created: 1,
  };
}

/** Popularity falls with rank to the power of 0.9. */
function zipf(): Int32Array {
  const random = generator(1);
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
    // Rank says nothing about the key.
    return (low * 7919) % ITEMS;
  });
}

/** A hot twentieth, with everything scanned once in between now and then. */
function scanThenHot(): Int32Array {
  const random = generator(2);
  const requests: number[] = [];
  while (requests.length < REQUESTS) {
    for (let i = 0; i < ITEMS; i++) requests.push(i);
    for (let i = 0; i < 4 * ITEMS; i++) requests.push(Math.floor(random() * (ITEMS / 20)));
  }
  return Int32Array.from(requests.slice(0, REQUESTS));
}

/** Evicts what is needed latest: no policy does better. */
function belady(requests: Int32Array, slots: number): number {
  const next = new Int32Array(requests.length);
  const seen = new Map<number, number>();
  for (let i = requests.length - 1; i >= 0; i--) {
    const item = requests[i] as number;
    next[i] = seen.get(item) ?? requests.length;
    seen.set(item, i);
  }
  const held = new Map<number, number>();
  let hits = 0;
  for (const [i, item] of requests.entries()) {
    if (held.has(item)) hits++;
    else if (held.size >= slots) {
      let latest = -1;
      let victim = -1;
      for (const [other, needed] of held) {
        if (needed > latest) [victim, latest] = [other, needed];
      }
      // One that is needed later than all that are held is not kept at all.
      if (latest < (next[i] as number)) continue;
      held.delete(victim);
    }
    held.set(item, next[i] as number);
  }
  return hits / requests.length;
}

function generator(seed: number): () => number {
  let state = seed;
  return () => {
    state = (Math.imul(state, 1664525) + 1013904223) >>> 0;
    return state / 2 ** 32;
  };
}
