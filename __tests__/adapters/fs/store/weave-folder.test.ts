import { expect, test } from '@jest/globals';
import { readFile, writeFile } from 'node:fs/promises';
import { join } from 'node:path';
import { folderStore } from '../../../../adapters/fs/index.js';
import { createWeave, memoryStore, tieredStore } from '../../../../lib/index.js';
import { FakeEngine } from '../../../../lib/testing/index.js';
import { filesIn, newFolder } from '../../../support/store/folders.js';

const directory = await newFolder();

const documents = Array.from({ length: 6 }, (_, i) => ({
  id: `note-${i}.md`,
  text: `Note ${i}: the lamp of tower ${i} was lit at dusk by keeper number ${i}.`,
}));

/** As a new process would do it: nothing is shared but the folder. */
async function askAnew(options: { readonly reuse?: 'full' } = {}) {
  await using store = tieredStore([memoryStore(), folderStore({ directory })]);
  await using engine = new FakeEngine();
  await using weave = await createWeave({ engine, store, maxTokens: 6, topK: 4 });
  await weave.ingest(documents, { budget: { milliseconds: 0 } });
  const answer = await weave.ask('Which keeper lit the lamp of the tower?', options);
  return { answer, stats: await store.stats() };
}

test('a new process over the same folder finds what the last one computed', async () => {
  const first = await askAnew();
  expect(first.answer.usage.cached).toBe(0);
  const second = await askAnew();
  expect(second.answer.text).toBe(first.answer.text);
  expect(second.answer.sources.every(({ cached }) => cached)).toBe(true);
  expect(second.answer.usage.fresh).toBeLessThan(100);
  expect((await askAnew({ reuse: 'full' })).answer.usage.cached).toBe(0);
});

test('damage costs a prefill, and the answer stays what it was', async () => {
  const before = await askAnew();
  const names = await filesIn(directory);
  for (const [i, name] of names.entries()) {
    const bytes = await readFile(join(directory, name));
    bytes[(i * 997) % bytes.length]! ^= 0x10;
    await writeFile(join(directory, name), bytes);
  }
  const after = await askAnew();
  expect(after.stats.corrupt).toBe(names.length);
  expect(after.answer.text).toBe(before.answer.text);
  expect(after.answer.usage.cached).toBe(0);
  expect((await askAnew()).answer.sources.every(({ cached }) => cached)).toBe(true);
});
