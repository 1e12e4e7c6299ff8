import type { EvictionPolicyFactory } from '../../../lib/index.js';
import { type Item, type Run, type Saved, Tally } from './traces.js';

export interface TriedPolicy {
  readonly make: EvictionPolicyFactory;
  /** Whether it is told what share of an item had to be repaired. */
  readonly told: boolean;
}

/** Asks for one item after another, puts those that are missing, and lets the policy say what goes. */
export function simulate(run: Run, { make, told }: TriedPolicy): Saved {
  const { requests, items, capacity } = run;
  const policy = make();
  const held = new Set<string>();
  const tally = new Tally(run);
  let free = capacity;
  for (const number of requests) {
    const key = String(number);
    const item = items[number] as Item;
    const { bytes, computeMs, fixOverhead } = item;
    if (held.has(key)) {
      tally.hit(item);
      policy.touch(key, told ? { fixOverhead } : undefined);
      continue;
    }
    const going = new Set<string>();
    let room = free;
    while (room < bytes) {
      const victim = policy.victim((other) => going.has(other));
      if (victim === undefined) break;
      going.add(victim);
      room += (items[Number(victim)] as Item).bytes;
    }
    const entry = { key, bytes, computeMs };
    if (room < bytes || policy.admits?.(entry, [...going]) === false) continue;
    for (const victim of going) {
      held.delete(victim);
      policy.remove(victim);
    }
    held.add(key);
    free = room - bytes;
    policy.insert(entry);
  }
  return tally.shares();
}
