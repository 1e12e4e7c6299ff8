import TinyQueue from 'tinyqueue';
import type { EvictionEntry, EvictionPolicy, EvictionUse } from './policy.js';

/** What a ranked policy remembers of a record. */
export interface RankedEntry extends EvictionEntry {
  /** Uses since it came, its coming included. */
  uses: number;
  /** Sum of what each use saved, as the policy counts it. */
  saved: number;
  /** Lowest goes first. */
  rank: number;
}

export interface RankedOptions {
  readonly name: string;
  /** What a use adds to {@link RankedEntry.saved}; default 1. */
  readonly savedBy?: (use: EvictionUse | undefined) => number;
  /** The rank of an entry, given the rank of the last victim. */
  readonly rank: (entry: Readonly<RankedEntry>, floor: number) => number;
}

interface Ticket {
  readonly key: string;
  readonly rank: number;
}

/**
 * Evicts by rank, lowest first. The rank of the last victim is the floor of later ranks, so that records
 * which were popular once grow old (the "inflation" of GreedyDual). O(log n) a call.
 */
export function rankedPolicy({ name, savedBy = () => 1, rank }: RankedOptions): EvictionPolicy {
  const entries = new Map<string, RankedEntry>();
  // A new rank is a new ticket; older tickets of the same key are passed over.
  let queue = new TinyQueue<Ticket>([], (a, b) => a.rank - b.rank);
  let floor = 0;
  const place = (entry: RankedEntry): void => {
    entry.rank = rank(entry, floor);
    queue.push({ key: entry.key, rank: entry.rank });
    if (queue.length > 64 + 4 * entries.size) {
      const tickets = Array.from(entries.values(), ({ key, rank: own }) => ({ key, rank: own }));
      queue = new TinyQueue(tickets, (a, b) => a.rank - b.rank);
    }
  };
  const isValid = ({ key, rank: own }: Ticket): boolean => entries.get(key)?.rank === own;
  return {
    name,
    insert(entry) {
      const known = entries.get(entry.key);
      const uses = (known?.uses ?? 0) + 1;
      const placed = { ...entry, uses, saved: (known?.saved ?? 0) + savedBy(undefined), rank: 0 };
      entries.set(entry.key, placed);
      place(placed);
    },
    touch(key, use) {
      const entry = entries.get(key);
      if (!entry) return;
      if (use?.isCounted) entry.saved += savedBy(use) - savedBy(undefined);
      else {
        entry.uses++;
        entry.saved += savedBy(use);
      }
      place(entry);
    },
    remove: (key) => void entries.delete(key),
    victim(isKept) {
      const passed: Ticket[] = [];
      let found: string | undefined;
      while (queue.length > 0 && found === undefined) {
        const ticket = queue.pop() as Ticket;
        if (!isValid(ticket)) continue;
        passed.push(ticket);
        if (isKept(ticket.key)) continue;
        found = ticket.key;
        floor = Math.max(floor, ticket.rank);
      }
      for (const ticket of passed) queue.push(ticket);
      return found;
    },
  };
}
