import { afterEach, expect, test } from '@jest/globals';
import { memoryStore, tieredStore } from '../../../lib/index.js';
import { book, closeAll, plenty, recordsOf, warmWeave } from './warmup-support.js';

afterEach(closeAll);

const guide = book('guide.md', 20);
const budget = { milliseconds: plenty.budget.milliseconds };

test.each(['prefix', 'document'] as const)(
  'an ingest without a bound of bytes makes no more than the largest tier keeps (%s)',
  async (warmup) => {
    const all = memoryStore();
    const { weave: first } = await warmWeave({ store: all, warmup });
    const whole = (await first.ingest([guide], { budget })).kv;
    expect(whole).toMatchObject({ encoded: 20, left: 0 });
    const { bytes } = await all.stats();

    // Together they could hold all of it, each of them not.
    const tiers = [0.5, 0.7].map((share) =>
      memoryStore({ maxBytes: Math.floor(share * bytes), name: `of ${share}` }),
    );
    const store = tieredStore(tiers);
    const { weave } = await warmWeave({ store, warmup });
    const { kv } = await weave.ingest([guide], { budget });
    expect(kv.encoded).toBeGreaterThan(5);
    expect(kv.left).toBeGreaterThan(0);
    const [small, large] = (await store.stats()).tiers!;
    expect(large).toMatchObject({ evictions: 0 });
    // What was made is all there, besides the prefix.
    expect((await recordsOf(tiers[1]!)).size).toBe(kv.encoded + 1);
    expect(small!.bytes).toBeLessThanOrEqual(small!.maxBytes);
    // And a tier without a bound is none.
    const endless = memoryStore({ maxBytes: Number.MAX_SAFE_INTEGER });
    const { weave: other } = await warmWeave({ store: tieredStore([tiers[0]!, endless]), warmup });
    expect((await other.ingest([guide], { budget })).kv).toMatchObject({ left: 0 });
  },
);
