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

/** What users of a ranked policy choose. */
export interface AdmissionOptions {
  /**
   * Keep a newcomer out where it ranks below what would have to go for it. The uses of records that went or were kept
   * out are remembered for a while, so that what is wanted again and again comes in and what is wanted once, or cheap
   * for its size, pushes nothing out (the idea of TinyLFU). Default false: what was just computed is taken for the
   * likeliest to be used next.
   */
  readonly admission?: boolean;
}

export interface RankedOptions extends AdmissionOptions {
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

/** Records that are not there and whose uses are remembered, for each one that is. */
const remembered = 4;
const leastRemembered = 256;

/**
 * Evicts by rank, lowest first. The rank of the last victim is the floor of later ranks, so that records
 * which were popular once grow old (the "inflation" of GreedyDual). O(log n) a call.
 */
export function rankedPolicy({
  name,
  savedBy = () => 1,
  rank,
  admission = false,
}: RankedOptions): EvictionPolicy {
  const entries = new Map<string, RankedEntry>();
  /** Uses of records that were evicted or kept out, each time that one was kept out included; oldest first. */
  const absent = new Map<string, number>();
  /** Victims that were named and may not have to go after all. */
  const named = new Map<string, number>();
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
  /** A record as it would be in here. */
  const arriving = (entry: EvictionEntry): RankedEntry => {
    const known = entries.get(entry.key);
    const before = known?.uses ?? absent.get(entry.key) ?? 0;
    const savedBefore = known?.saved ?? before * savedBy(undefined);
    return { ...entry, uses: before + 1, saved: savedBefore + savedBy(undefined), rank: 0 };
  };
  const remember = (key: string, uses: number): void => {
    absent.delete(key);
    absent.set(key, uses);
    const [oldest] = absent.keys();
    const most = Math.max(leastRemembered, remembered * entries.size);
    if (absent.size > most && oldest !== undefined) absent.delete(oldest);
  };
  const admits = (entry: EvictionEntry, victims: readonly string[]): boolean => {
    const ranks = victims.map((key) => entries.get(key)?.rank ?? -Infinity);
    const newcomer = arriving(entry);
    const own = rank(newcomer, floor);
    if (own >= Math.max(...ranks)) return true;
    named.clear();
    remember(entry.key, newcomer.uses);
    // Those who stay grow older by it, or what was popular once would stay for ever.
    floor = Math.max(floor, Math.min(own, ...ranks));
    return false;
  };
  return {
    name: admission ? `${name}, admission` : name,
    insert(entry) {
      const placed = arriving(entry);
      named.clear();
      absent.delete(entry.key);
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
    remove(key) {
      const evictedAt = named.get(key);
      if (evictedAt !== undefined) {
        floor = Math.max(floor, evictedAt);
        if (admission) remember(key, entries.get(key)?.uses ?? 0);
      }
      named.delete(key);
      entries.delete(key);
    },
    victim(isKept) {
      const passed: Ticket[] = [];
      let found: string | undefined;
      while (queue.length > 0 && found === undefined) {
        const ticket = queue.pop() as Ticket;
        if (!isValid(ticket)) continue;
        passed.push(ticket);
        if (isKept(ticket.key)) continue;
        found = ticket.key;
        named.set(ticket.key, ticket.rank);
      }
      for (const ticket of passed) queue.push(ticket);
      return found;
    },
    ...(admission && { admits }),
  };
}
