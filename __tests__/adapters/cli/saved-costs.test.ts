import {
  mkdirSync,
  mkdtempSync,
  readdirSync,
  readFileSync,
  rmSync,
  statSync,
  writeFileSync,
} from 'node:fs';
import { tmpdir } from 'node:os';
import { dirname, join } from 'node:path';
import { afterAll, beforeEach, expect, test } from '@jest/globals';
import { costsFile, loadCosts, saveCosts } from '../../../adapters/cli/saved-costs.js';
import { openStore, openWeave } from '../../../adapters/cli/session.js';
import { Terminal } from '../../../adapters/cli/report/terminal.js';
import type { GgmlEngine } from '../../../adapters/ggml/engine.js';
import { bm25Retriever, CostModel } from '../../../lib/index.js';
import { FakeEngine, sampleKey, sampleRecord } from '../../../lib/testing/index.js';

const root = mkdtempSync(join(tmpdir(), 'chunkweave-costs-'));
afterAll(() => rmSync(root, { recursive: true, force: true }));

let cache: string;
let said: string[];
const say = (problem: string) => void said.push(problem);
beforeEach(() => {
  cache = mkdtempSync(join(root, 'cache-'));
  said = [];
});

function measured(): CostModel {
  const costs = new CostModel();
  for (const tokens of [64, 128, 512]) costs.observeCompute({ tokens, before: 10 }, 5 + tokens / 2);
  for (const bytes of [1e6, 3e6]) costs.observeLoad('disk', bytes, 1 + bytes / 1e6);
  return costs;
}

test('what was measured comes back', () => {
  const path = join(cache, 'costs', 'a.json');
  expect(loadCosts(path, say).msPerToken).toBeUndefined();
  const costs = measured();
  saveCosts(path, costs, say);
  expect(loadCosts(path, say).snapshot()).toEqual(costs.snapshot());
  expect(loadCosts(path, say).predictLoad('disk', 2e6)).toBeCloseTo(3, 1);
  expect(said).toEqual([]);
  expect(readdirSync(dirname(path))).toEqual(['a.json']);
  expect(statSync(path).mode & 0o777).toBe(0o600);
});

test('each model and device has a file of its own', () => {
  const { model } = new FakeEngine();
  const other = new FakeEngine({ seed: 2 }).model;
  const files = [model, other].flatMap((one) =>
    ['CPU', 'Vulkan0'].map((device) => costsFile(cache, one, device)),
  );
  expect(new Set(files).size).toBe(4);
  expect(costsFile(cache, model, 'CPU')).toBe(files[0]);
});

test.each([
  ['is empty', ''],
  ['was cut off', JSON.stringify(measured().snapshot()).slice(0, -20)],
  ['is of something else', '{"version":1}'],
  ['is of another version', JSON.stringify({ ...measured().snapshot(), version: 2 })],
  ['is far too large', `"${'x'.repeat(2 ** 21)}"`],
])('a file that %s is passed over, said once, and replaced by the next run', (_, text) => {
  const path = join(cache, 'costs.json');
  writeFileSync(path, text);
  expect(loadCosts(path, say).msPerToken).toBeUndefined();
  expect(said).toHaveLength(1);
  expect(said[0]).toContain(path);
  saveCosts(path, measured(), say);
  expect(loadCosts(path, say).msPerToken).toBeGreaterThan(0);
  expect(said).toHaveLength(1);
});

test('where it cannot be written that is said, and what was there stays', () => {
  writeFileSync(join(cache, 'file'), 'mine');
  saveCosts(join(cache, 'file', 'costs.json'), measured(), say);
  mkdirSync(join(cache, 'folder.json'));
  saveCosts(join(cache, 'folder.json'), measured(), say);
  expect(said).toHaveLength(2);
  expect(readFileSync(join(cache, 'file'), 'utf8')).toBe('mine');
  expect(readdirSync(cache).toSorted()).toEqual(['file', 'folder.json']);
});

test('store and weave share one model, and the next run begins with what this one measured', async () => {
  const output = { write: say, isTTY: false, columns: 80 };
  const io = {
    stdout: output,
    stderr: output,
    env: { CHUNKWEAVE_CACHE: cache, NO_COLOR: '1' },
    cwd: cache,
    signal: new AbortController().signal,
  };
  const engine = new FakeEngine() as unknown as GgmlEngine;
  const open = () => openStore(io, engine, new Terminal(io));

  const store = open();
  expect(store.costs.msPerToken).toBeUndefined();
  const weave = await openWeave({ engine, store, retriever: bm25Retriever(), warmup: 'prefix' });
  await weave.ingest([
    { id: 'a', text: 'A lantern hangs in the harbour, and a ledger lies below it.' },
  ]);
  await store.put(sampleKey(1), sampleRecord());
  await weave.dispose();
  // Of the weave's computing and of the tiers' loading.
  expect(store.costs.msPerToken).toBeGreaterThan(0);
  await store.close();

  const next = open();
  expect(next.costs.msPerToken).toBe(store.costs.msPerToken);
  expect(await next.get(sampleKey(1))).toBeDefined();
  expect(next.costs.knownLoads('disk')).toBe(1);
  await next.close();
  const third = open();
  expect(third.costs.knownLoads('disk')).toBe(1);
  await third.close();
  expect(said).toEqual([]);
  // What belongs to the user stays the user's: nothing but the two folders.
  expect(readdirSync(cache).toSorted()).toEqual(['costs', 'kv']);
});
