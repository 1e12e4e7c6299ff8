import type { StoreEvent } from '../store-stats.js';

/** What is counted of a store's events, in the terms of any metrics system. */
export interface MeasureKind {
  readonly help: string;
  /** As UCUM writes it: `s`, `By`, or what is counted in braces. */
  readonly unit: string;
  /** Beside `store`. Few values each: never a key, a tenant or a text. */
  readonly labels: readonly string[];
}

/** Sums that only grow. */
export const counters = {
  hits: { help: 'Records that were found and read.', unit: '{hit}', labels: [] },
  misses: {
    help: 'Records that were not found, or not read, by reason.',
    unit: '{miss}',
    labels: ['reason'],
  },
  loaded: { help: 'Bytes of KV that hits gave.', unit: 'By', labels: [] },
  'saved.tokens': {
    help: 'Tokens whose keys and values did not have to be computed.',
    unit: '{token}',
    labels: [],
  },
  'saved.recompute': {
    help: 'Time that computing what was found had taken when it was made.',
    unit: 's',
    labels: [],
  },
  puts: {
    help: 'Records that were put, by result: kept or refused.',
    unit: '{put}',
    labels: ['result'],
  },
  written: { help: 'Bytes of records that were kept.', unit: 'By', labels: [] },
  evictions: { help: 'Records that went, by reason.', unit: '{eviction}', labels: ['reason'] },
  evicted: { help: 'Bytes of records that went.', unit: 'By', labels: [] },
  corrupt: { help: 'Records that were found damaged.', unit: '{record}', labels: [] },
  circuit: {
    help: 'Times that a tier was left alone (open) or used again (closed).',
    unit: '{change}',
    labels: ['state'],
  },
} as const satisfies Record<string, MeasureKind>;

export type CounterName = keyof typeof counters;

/** What is asked of `stats()` when metrics are collected. */
export const gauges = {
  records: { help: 'Records in the store.', unit: '{record}', labels: [] },
  size: { help: 'Bytes that the records take.', unit: 'By', labels: [] },
  limit: { help: 'Bound in bytes; absent where there is none.', unit: 'By', labels: [] },
} as const satisfies Record<string, MeasureKind>;

export type GaugeName = keyof typeof gauges;

/** Distribution of what a hit took. */
export const loadTime = { help: 'Time that a hit took.', unit: 's', labels: [] } as const;

/** From a hit in memory to one from another continent, in seconds. */
export const loadBuckets = [1e-5, 1e-4, 5e-4, 1e-3, 5e-3, 0.01, 0.025, 0.05, 0.1, 0.25, 0.5, 1, 5];

export interface Measure {
  readonly counter: CounterName;
  readonly by: number;
  readonly labels: Readonly<Record<string, string>>;
}

/** What an event adds to the counters. */
export function measuresOf(event: StoreEvent): Measure[] {
  const { store } = event;
  const add = (
    counter: CounterName,
    by: number,
    labels: Readonly<Record<string, string>> = {},
  ): Measure => ({ counter, by, labels: { store, ...labels } });
  switch (event.type) {
    case 'hit':
      return [
        add('hits', 1),
        add('loaded', event.bytes),
        add('saved.tokens', event.tokens),
        add('saved.recompute', event.recomputeMs / 1000),
      ];
    case 'miss':
      return [add('misses', 1, { reason: event.reason })];
    case 'put':
      return event.kept
        ? [add('puts', 1, { result: 'kept' }), add('written', event.bytes)]
        : [add('puts', 1, { result: 'refused' })];
    case 'evict':
      return [add('evictions', 1, { reason: event.reason }), add('evicted', event.bytes)];
    case 'corrupt':
      return [add('corrupt', 1)];
    case 'circuit':
      return [add('circuit', 1, { state: event.state })];
  }
}
