import type { EvictionEntry, EvictionPolicy } from './policy.js';

/** The record that was used least recently goes first. O(1) a call. */
export function lruPolicy(): EvictionPolicy {
  // A map keeps the order of insertion, so its first key is the one used longest ago.
  const order = new Map<string, undefined>();
  const use = (key: string): void => {
    order.delete(key);
    order.set(key, undefined);
  };
  return {
    name: 'lru',
    insert: ({ key }: EvictionEntry) => use(key),
    touch(key) {
      if (order.has(key)) use(key);
    },
    remove: (key) => void order.delete(key),
    victim(isKept) {
      for (const key of order.keys()) if (!isKept(key)) return key;
      return undefined;
    },
  };
}
