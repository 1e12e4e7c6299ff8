import { InvalidArgumentError } from '../../errors.js';
import type { CostModel } from '../../reuse/cost/cost-model.js';
import { type Access, describeAccess, isSameAccess } from '../chunk-key.js';
import type { ChunkStore } from '../chunk-store.js';
import type { StoreListener } from '../store-stats.js';
import type { CircuitOptions } from './circuit.js';

/** A store as one of several, and how far it is trusted to answer. */
export interface TierOptions {
  readonly store: ChunkStore;
  /** Names the tier in events, messages and the cost model; default `tier 1` for the first, and so on. */
  readonly name?: string;
  /** Milliseconds after which a read is given up: a miss for this tier. Default 5,000; Infinity for no end. */
  readonly deadlineMs?: number;
  /** The same for writes, and for the room in the queue that a write waits for. Default 30,000. */
  readonly writeDeadlineMs?: number;
  /**
   * `through` (default): `put` waits until the tier has written. `behind`: it waits for room in the tier's
   * queue only, and what is queued is written in its order.
   */
  readonly write?: 'through' | 'behind';
  /** Bound of what waits to be written behind, and of what is copied here from slower tiers. */
  readonly queue?: QueueOptions;
  /** When the tier is left alone after failures. */
  readonly circuit?: CircuitOptions;
}

export interface QueueOptions {
  /** Default 256 MiB. A larger record is taken when nothing else is queued. */
  readonly maxBytes?: number;
  /** Default 1,024. */
  readonly maxRecords?: number;
}

export interface TieredStoreOptions {
  /** Learns how long loads take, and says where reading pays. Default one of the store's own. */
  readonly costs?: CostModel;
  /**
   * A tier whose record a faster one gives out is told of such uses, so that it does not take the record for old: of
   * each record once in so many milliseconds at most. Default 60,000; 0 for every use, Infinity for none.
   */
  readonly tellUsesMs?: number;
  /** Stands in stats and events of the whole; default `tiered`. */
  readonly name?: string;
  readonly onEvent?: StoreListener;
}

/** A tier's options with nothing left open. */
export interface TierSettings {
  readonly store: ChunkStore;
  readonly name: string;
  readonly deadlineMs: number;
  readonly writeDeadlineMs: number;
  readonly write: 'through' | 'behind';
  readonly queue: Required<QueueOptions>;
  readonly circuit: CircuitOptions;
}

/** @throws InvalidArgumentError that names the option. */
export function tierSettings(tiers: readonly (ChunkStore | TierOptions)[]): TierSettings[] {
  if (tiers.length === 0) throw new InvalidArgumentError('tieredStore: give at least one store.');
  const all = tiers.map((tier, i) => settingsOf('store' in tier ? tier : { store: tier }, i));
  const names = new Set(all.map(({ name }) => name));
  if (names.size < all.length) {
    throw new InvalidArgumentError('tieredStore: two tiers have the same name; give each its own.');
  }
  return all;
}

/**
 * Whose records all tiers keep; undefined where none can tell.
 * @throws InvalidArgumentError where they are of different tenants or labels.
 */
export function commonAccess(tiers: readonly TierSettings[]): Required<Access> | undefined {
  let first: TierSettings | undefined;
  for (const tier of tiers) {
    const { access } = tier.store;
    if (!access) continue;
    first ??= tier;
    const other = first.store.access as Required<Access>;
    if (isSameAccess(access, other)) continue;
    throw new InvalidArgumentError(
      `tieredStore: ${first.name} was opened for ${describeAccess(other)}, ${tier.name} for ${describeAccess(access)}; ` +
        'open all tiers with the same tenant and label.',
    );
  }
  return first?.store.access;
}

function settingsOf(options: TierOptions, index: number): TierSettings {
  const { store, name = `tier ${index + 1}`, write = 'through', circuit = {} } = options;
  const { deadlineMs = 5000, writeDeadlineMs = 30_000 } = options;
  const { maxBytes = 256 * 2 ** 20, maxRecords = 1024 } = options.queue ?? {};
  const { failures = 5, coolDownMs = 1000, maxCoolDownMs = 60_000 } = circuit;
  const positive = { deadlineMs, writeDeadlineMs, maxBytes, coolDownMs, maxCoolDownMs };
  for (const [option, value] of Object.entries(positive)) {
    if (!(value > 0)) refuse(name, option, value, 'a positive number');
  }
  for (const [option, value] of Object.entries({ maxRecords, failures })) {
    if (!Number.isSafeInteger(value) || value < 1) {
      refuse(name, option, value, 'a whole number of at least 1');
    }
  }
  if (write !== 'through' && write !== 'behind') {
    refuse(name, 'write', write, "'through' or 'behind'");
  }
  return {
    store,
    name,
    deadlineMs,
    writeDeadlineMs,
    write,
    queue: { maxBytes, maxRecords },
    circuit: { failures, coolDownMs, maxCoolDownMs },
  };
}

function refuse(tier: string, option: string, value: unknown, wanted: string): never {
  throw new InvalidArgumentError(
    `tieredStore: ${option} of ${tier} is ${String(value)}; give ${wanted}.`,
  );
}
