import { seededInteger, seededRandom } from '../../random.js';
import type { SavableVectorIndex, VectorEntry, VectorIndex } from '../../retrieve/vector-index.js';
import { defined, equal, fails, failsWith, ok } from './assert.js';
import {
  everything,
  plainSetting,
  sampleEntries,
  sampleVectors,
  sized,
  type VectorCase,
  type VectorIndexSetting,
} from './vector-lab.js';

const others: Readonly<Record<string, VectorIndexSetting>> = {
  'another embedder': { ...plainSetting, embedder: { fingerprint: 'other', dimensions: 8 } },
  'another dimension': { ...plainSetting, embedder: sized(9) },
  'another metric': { ...plainSetting, metric: 'dot' },
};

/** For indexes that are kept as bytes. */
export const vectorSavingCases: Readonly<Record<string, VectorCase>> = {
  'what was saved comes back the same, and goes on': async (lab) => {
    const restore = defined(lab.restore, 'restore');
    for (const [count, metric] of [
      [0, 'cosine'],
      [1, 'dot'],
      [700, 'euclidean'],
      [700, 'cosine'],
    ] as const) {
      const index = await lab.create({ metric });
      await index.add(sampleEntries(count));
      // Holes, and places that are used again.
      await index.remove(['e3', 'e5', 'e699', 'e100']);
      if (count > 5) await index.add(sampleEntries(6).slice(5));
      const again = await restore(await bytesOf(index), { ...plainSetting, metric });
      equal(await again.size(), await index.size(), 'size');
      for (const query of sampleVectors(20, 8, 3)) {
        for (const k of [1, 10, 1000]) {
          const before = await index.query(query, { k });
          const after = await again.query(query, { k });
          equal(JSON.stringify(after), JSON.stringify(before), 'matches');
        }
      }
      await again.upsert(sampleEntries(4));
      equal(await again.remove(['e0', 'e1']), 2, 'removed');
    }
  },
  'bytes that are cut short are refused': async (lab) => {
    const restore = defined(lab.restore, 'restore');
    const bytes = await sampleBytes(lab.create);
    const random = seededRandom(3);
    const lengths = [0, 1, 7, 8, 9, 16, bytes.length - 1, bytes.length - 4, bytes.length - 12];
    for (let i = 0; i < 40; i++) lengths.push(seededInteger(random, bytes.length));
    for (const length of lengths) {
      await fails(
        () => restore(bytes.subarray(0, length), plainSetting),
        'INDEX_FILE',
        `${length} bytes`,
      );
    }
    await fails(() => restore([bytes, bytes], plainSetting), 'INDEX_FILE', 'bytes that follow');
  },
  'a flipped bit is found out': async (lab) => {
    const restore = defined(lab.restore, 'restore');
    const bytes = await sampleBytes(lab.create);
    const random = seededRandom(4);
    const places = Array.from({ length: 200 }, (_, i) =>
      i < 80 ? i : seededInteger(random, bytes.length),
    );
    for (const place of places) {
      const damaged = bytes.slice();
      damaged[place] = (damaged[place] as number) ^ (1 << seededInteger(random, 8));
      await fails(() => restore(damaged, plainSetting), 'INDEX_FILE', `a bit of byte ${place}`);
    }
  },
  'an index of another embedder, dimension or metric is refused': async (lab) => {
    const restore = defined(lab.restore, 'restore');
    const bytes = await sampleBytes(lab.create);
    for (const [what, setting] of Object.entries(others)) {
      await fails(() => restore(bytes, setting), 'INDEX_MISMATCH', what);
    }
  },
  'bytes may come in pieces of any size': async (lab) => {
    const restore = defined(lab.restore, 'restore');
    const bytes = await sampleBytes(lab.create);
    for (const size of [1, 3, 1000]) {
      const again = await restore(cut(bytes, size), plainSetting);
      equal(await again.size(), 50, 'size');
    }
  },
  'changes wait while it is saved, and an abort frees them': async ({ create }) => {
    const index = await create();
    await index.add(sampleEntries(300));
    const pieces = savable(index).toBytes()[Symbol.asyncIterator]();
    await pieces.next();
    let isRemoved = false;
    const removal = index.remove(['e0']).then(() => (isRemoved = true));
    equal((await everything(index)).length, 300, 'what a query finds meanwhile');
    equal(isRemoved, false, 'removed meanwhile');
    await pieces.return?.();
    await removal;
    equal(await index.size(), 299, 'size');
    const reason = new Error('enough');
    const signal = AbortSignal.abort(reason);
    await failsWith(() => bytesOf(index, signal), reason, 'toBytes');
    equal(await index.remove(['e1']), 1, 'removed after an abort');
  },
};

/** For indexes whose entries outlast them, as in a database. */
export const vectorReopeningCases: Readonly<Record<string, VectorCase>> = {
  'what is kept is found when it is opened again': async (lab) => {
    const reopen = defined(lab.reopen, 'reopen');
    const index = await lab.create();
    const entries = sampleEntries(20);
    await index.add(entries);
    const again = await reopen(index, plainSetting);
    equal(await again.size(), 20, 'size');
    const query = (entries[3] as VectorEntry).vector;
    const before = await index.query(query, { k: 20 });
    equal(JSON.stringify(await again.query(query, { k: 20 })), JSON.stringify(before), 'matches');
  },
  'it is not opened for another embedder, dimension or metric': async (lab) => {
    const reopen = defined(lab.reopen, 'reopen');
    const index = await lab.create();
    await index.add(sampleEntries(2));
    for (const [what, setting] of Object.entries(others)) {
      await fails(() => reopen(index, setting), 'INDEX_MISMATCH', what);
    }
    equal(await index.size(), 2, 'size');
  },
};

async function sampleBytes(create: () => Promise<VectorIndex>): Promise<Uint8Array> {
  const index = await create();
  await index.add(sampleEntries(50));
  return bytesOf(index);
}

function savable(index: VectorIndex): SavableVectorIndex {
  ok('toBytes' in index, 'an index that can be restored has toBytes()');
  return index as SavableVectorIndex;
}

async function bytesOf(index: VectorIndex, signal?: AbortSignal): Promise<Uint8Array> {
  const pieces: Uint8Array[] = [];
  for await (const piece of savable(index).toBytes({ signal })) pieces.push(piece);
  const bytes = new Uint8Array(pieces.reduce((sum, { byteLength }) => sum + byteLength, 0));
  let at = 0;
  for (const piece of pieces) {
    bytes.set(piece, at);
    at += piece.byteLength;
  }
  return bytes;
}

function* cut(bytes: Uint8Array, size: number): Generator<Uint8Array, void, void> {
  for (let at = 0; at < bytes.length; at += size) yield bytes.slice(at, at + size);
}
