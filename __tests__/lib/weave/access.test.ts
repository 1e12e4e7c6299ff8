import { mkdtempSync, rmSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { afterAll, afterEach, describe, expect, test } from '@jest/globals';
import { folderStore } from '../../../adapters/fs/index.js';
import {
  type Access,
  type ChunkStore,
  InvalidArgumentError,
  memoryStore,
  tieredStore,
} from '../../../lib/index.js';
import { disposeAll, documents, question, testWeave } from './support.js';

const folder = mkdtempSync(join(tmpdir(), 'chunkweave-access-'));
afterAll(() => rmSync(folder, { recursive: true, force: true }));
afterEach(disposeAll);

const kinds: Readonly<Record<string, (access: Access) => ChunkStore>> = {
  memory: memoryStore,
  folder: (access) => folderStore({ directory: folder, ...access }),
  tiered: (access) =>
    tieredStore([memoryStore(access), folderStore({ directory: folder, ...access })]),
};

const some: readonly Access[] = [
  {},
  { tenant: 'acme' },
  { label: 'board' },
  { tenant: 'acme', label: 'board' },
  { tenant: 'acme', label: 'staff' },
];

describe.each(Object.entries(kinds))('a weave over a %s store', (_, open) => {
  test.each(some.flatMap((theirs) => some.map((own) => [theirs, own] as const)))(
    'opened for %j is had by one of %j only if they are the same',
    async (theirs, own) => {
      await using store = open(theirs);
      const made = testWeave({ store, ...own });
      if (JSON.stringify(theirs) === JSON.stringify(own)) {
        await expect(made).resolves.toBeDefined();
        return;
      }
      await expect(made).rejects.toThrow(InvalidArgumentError);
      await expect(made).rejects.toThrow(/give both the same tenant and label/);
      // It says whose is whose.
      const { tenant = 'public' } = theirs;
      await expect(made).rejects.toThrow(`opened for tenant "${tenant}"`);
    },
  );
});

test('the public tenant and no label may be named', async () => {
  await testWeave({ store: memoryStore(), tenant: 'public', label: '' });
  await testWeave({ store: memoryStore({ tenant: 'public', label: '' }) });
});

test('the store of a weave that was given none is its tenant’s', async () => {
  const { weave } = await testWeave({ tenant: 'acme', label: 'board' });
  await weave.ingest(documents);
  expect((await weave.ask(question)).usage.cached).toBeGreaterThan(0);
});

test('a store that cannot tell whose records it keeps is taken as it is', async () => {
  const store = memoryStore();
  (store as { access?: unknown }).access = undefined;
  await testWeave({ store, tenant: 'acme' });
  // Of tiers, those that can tell count.
  expect(tieredStore([store, memoryStore({ tenant: 'acme' })]).access).toEqual({
    tenant: 'acme',
    label: '',
  });
  expect(tieredStore([store]).access).toBeUndefined();
});

test('tiers of different tenants or labels are refused', () => {
  const tiers = [
    { store: memoryStore({ tenant: 'acme' }), name: 'near' },
    { store: memoryStore({ tenant: 'other' }), name: 'far' },
  ];
  expect(() => tieredStore(tiers)).toThrow(
    /near was opened for tenant "acme", far for tenant "other"; open all tiers/,
  );
  expect(() => tieredStore([memoryStore({ label: 'a' }), memoryStore({ label: 'b' })])).toThrow(
    InvalidArgumentError,
  );
});
