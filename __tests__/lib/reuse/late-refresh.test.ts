import { afterEach, describe, expect, test } from '@jest/globals';
import {
  fullPolicy,
  type KvSequence,
  LateRefresh,
  nonePolicy,
  type RefreshPlan,
  type RefreshTarget,
} from '../../../lib/index.js';
import { largestDifference, watchLogits } from '../../support/logits-watch.js';
import { disposeAll, indexedWeave, question } from '../weave/support.js';
import { wovenTarget } from './support.js';

afterEach(disposeAll);

const none: RefreshPlan = { policy: 'none', passages: [] };
const sizes = [20, 14, 17];
const answer = Int32Array.from({ length: 24 }, (_, i) => 40 + ((i * 37) % 150));

/** Passages in place, the question computed. */
async function asked(): Promise<{ target: RefreshTarget; sequence: KvSequence }> {
  const { target } = await wovenTarget(sizes);
  await target.sequence.append(target.question, { logits: 'none' });
  return { target, sequence: target.sequence };
}

async function write(sequence: KvSequence, from: number, to: number): Promise<void> {
  await sequence.append(answer.slice(from, to), { logits: 'none' });
}

/** Entries of the passages whose keys and values are other than before. */
async function changed(
  { spans, sequence }: RefreshTarget,
  before: readonly Uint8Array[],
): Promise<number[]> {
  const entries: number[] = [];
  for (const span of spans) {
    for (let entry = span.start; entry < span.end; entry++) {
      const { data } = await sequence.capture({ start: entry, end: entry + 1 });
      if (Buffer.compare(data, before[entry]!) !== 0) entries.push(entry);
    }
  }
  return entries;
}

async function snapshot(sequence: KvSequence): Promise<Uint8Array[]> {
  const all: Uint8Array[] = [];
  for (let entry = 0; entry < sequence.length; entry++) {
    all.push((await sequence.capture({ start: entry, end: entry + 1 })).data);
  }
  return all;
}

test('with everything computed again the passages hold what a plain prefill gives', async () => {
  const { target, sequence } = await asked();
  const late = new LateRefresh(target, none, { ratio: 1, every: 4 });
  await write(sequence, 0, 4);
  const { arena } = sequence;
  const plain = arena.createSequence();
  const end = target.spans.at(-1)!.end;
  await plain.append(sequence.tokens.slice(0, end), { logits: 'none' });
  const expected = (await plain.capture({ start: 5, end })).data;
  expect((await sequence.capture({ start: 5, end })).data).not.toEqual(expected);
  await late.after(5, 19);
  expect((await sequence.capture({ start: 5, end })).data).toEqual(expected);
  // The first passage was exact.
  expect(late.tokens).toBe(31);
  expect(late.recomputed).toBe(31);
  expect(late.probed).toBeGreaterThan(0);
});

test('what the last tokens look at most is computed again, each token once, nothing else', async () => {
  const { target, sequence } = await asked();
  const planned = Int32Array.of(0, 3, 9);
  const plan = { policy: 'x', passages: [{ passage: 1, tokens: planned, reason: '' }] };
  const late = new LateRefresh(target, plan, { ratio: 0.1, every: 4 });
  const first = target.spans[1]!.start;
  const open = new Set<number>();
  for (let entry = first; entry < target.spans[2]!.end; entry++) {
    if (!planned.includes(entry - first)) open.add(entry);
  }
  await write(sequence, 0, 4);
  for (let round = 0; open.size > 0; round++) {
    // The same tokens again, appended to a sequence that lacks them: another way to ask what they look at.
    const again = sequence.fork(sequence.length - 4);
    const asking = answer.slice(4 * round, 4 * round + 4);
    const { attention } = await again.append(asking, { logits: 'none', attention: {} });
    again.dispose();
    const weights = attention![0]!.byEntry;
    const expected = [...open]
      .toSorted((a, b) => weights[b]! - weights[a]! || a - b)
      .slice(0, 5)
      .toSorted((a, b) => a - b);
    const before = await snapshot(sequence);
    await late.after(4 * round + 5, 24);
    const now = await changed(target, before);
    // Computing a token again need not change it, but what changes was to be computed again.
    expect(now.length).toBeGreaterThan(0);
    for (const entry of now) expect(expected).toContain(entry);
    for (const entry of expected) open.delete(entry);
    expect(late.tokens).toBe(28 - open.size);
    if (round < 5) await write(sequence, 4 * round + 4, 4 * round + 8);
  }
  const before = await snapshot(sequence);
  await late.after(24, 24);
  expect(await changed(target, before)).toEqual([]);
  expect(late.tokens).toBe(28);
});

test('nothing happens before the first few tokens, between two times, and near the end', async () => {
  const { target, sequence } = await asked();
  const late = new LateRefresh(target, none, { ratio: 0.2, every: 4 });
  await write(sequence, 0, 12);
  const calls: [number, number, number][] = [
    [1, 20, 0],
    [4, 20, 0],
    [5, 3, 0],
    [5, 4, 10],
    [6, 20, 10],
    [8, 20, 10],
    [9, 20, 20],
    // What is left of the passages that are not exact.
    [13, 20, 30],
  ];
  for (const [generated, left, tokens] of calls) {
    await late.after(generated, left);
    expect(late.tokens).toBe(tokens);
  }
});

test('the cells of a probe come back, and an abort is heard', async () => {
  const { target, sequence } = await asked();
  const late = new LateRefresh(target, none, { ratio: 0.2, every: 4 });
  await write(sequence, 0, 4);
  const { free } = sequence.arena;
  await late.after(5, 20);
  expect(sequence.arena.free).toBe(free);
  await write(sequence, 4, 8);
  const reason = new Error('enough');
  await expect(late.after(9, 20, AbortSignal.abort(reason))).rejects.toBe(reason);
  expect(late.tokens).toBe(10);
});

describe('asking', () => {
  const options = { maxTokens: 12, policy: nonePolicy(), topK: 3 };
  const refreshLate = { ratio: 0.5, every: 3 };

  test('usage and timings count it, text comes in order and is the same each time', async () => {
    const { weave } = await indexedWeave(options);
    await weave.ask(question);
    const stream = weave.stream(question, { refreshLate });
    let text = '';
    for await (const event of stream) if (event.type === 'delta') text += event.text;
    const answer = await stream.answer;
    expect(answer.text).toBe(text);
    const { prompt, cached, recomputed, fresh } = answer.usage;
    expect(cached + recomputed + fresh).toBe(prompt);
    expect(recomputed).toBeGreaterThan(0);
    expect(answer.timings.late).toBeGreaterThan(0);
    expect(answer.notes).toEqual([expect.stringContaining('while the answer was written')]);
    expect((await weave.ask(question, { refreshLate })).text).toBe(text);
    const off = await weave.ask(question);
    expect(off).toMatchObject({ notes: [], timings: { late: 0 }, usage: { recomputed: 0 } });
    const { cells } = await weave.stats();
    expect(cells.free).toBe(cells.total);
  });

  test('what was under way stays as it was, what comes after sees the change', async () => {
    const { weave, engine } = await indexedWeave(options);
    await weave.ask(question);
    const rows = watchLogits(engine);
    const rowsOf = async (asking: Parameters<typeof weave.ask>[1]) => {
      rows.length = 0;
      const { text } = await weave.ask(question, asking);
      return { text, rows: [...rows] };
    };
    const off = await rowsOf({});
    const on = await rowsOf({ refreshLate: { ratio: 1, every: 2 } });
    // Up to there nothing differs: the third token was chosen before, the fourth was under way.
    for (let i = 0; i < 4; i++) expect(on.rows[i]).toEqual(off.rows[i]);
    expect(largestDifference(on.rows[4]!, off.rows[4]!)).toBeGreaterThan(1e-4);
    const all = await rowsOf({ refreshLate: { ratio: 1, every: 2 }, policy: fullPolicy() });
    const full = await rowsOf({ policy: fullPolicy() });
    expect(all.rows).toEqual(full.rows);
  });

  test('leaving the stream stops it, and the weave goes on', async () => {
    const { weave } = await indexedWeave({ ...options, fake: { latency: { perRow: 0.2 } } });
    await weave.ask(question);
    const stream = weave.stream(question, { refreshLate: { ratio: 1, every: 1 } });
    for await (const event of stream) if (event.type === 'delta') break;
    await expect(stream.answer).rejects.toBeDefined();
    const { cells } = await weave.stats();
    expect(cells.free).toBe(cells.total);
    expect((await weave.ask(question)).usage.generated).toBe(12);
  });

  test('a device that fails in between fails the answer, not the weave', async () => {
    const { weave, engine } = await indexedWeave(options);
    await weave.ask(question);
    const failure = new Error('the device is gone');
    const stream = weave.stream(question, { refreshLate: { ratio: 1, every: 2 } });
    const running = (async () => {
      let deltas = 0;
      for await (const event of stream) {
        if (event.type !== 'delta') continue;
        deltas++;
        // The probe and the refresh come next.
        if (deltas === 2) engine.failNext(failure, 4);
      }
    })();
    await expect(running).rejects.toBe(failure);
    await expect(stream.answer).rejects.toBe(failure);
    expect((await weave.ask(question)).usage.generated).toBe(12);
  });

  test('it is left out where nothing is woven, and where nothing needs repair', async () => {
    const { weave } = await indexedWeave(options);
    const full = await weave.ask(question, { refreshLate, reuse: 'full' });
    const set = await weave.ask(question, { refreshLate, layout: 'set' });
    for (const { usage, timings } of [full, set]) {
      expect(usage.recomputed).toBe(0);
      expect(timings.late).toBe(0);
    }
  });

  test.each([{ ratio: 0 }, { ratio: 1.1 }, { ratio: NaN }, { ratio: 0.1, every: 0 }])(
    '%j is refused before anything is computed',
    async (bad) => {
      const { weave, engine } = await indexedWeave(options);
      await expect(weave.ask(question, { refreshLate: bad })).rejects.toMatchObject({
        code: 'INVALID_ARGUMENT',
      });
      expect(engine.counters.layers).toBe(0);
    },
  );
});
