import { appendFile, mkdtemp, rm, stat } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { expect, test } from '@jest/globals';
import { keepVectors } from '../../../bench/chunking/kept-vectors.js';
import { HashingEmbedder } from '../../../lib/testing/index.js';

test('texts are embedded once over all runs, also after one that broke off', async () => {
  const folder = await mkdtemp(join(tmpdir(), 'chunkweave-test-'));
  try {
    const path = join(folder, 'deep', 'vectors');
    const inner = new HashingEmbedder({ dimensions: 8 });
    const [cat, dog] = await new HashingEmbedder({ dimensions: 8 }).embed(['a cat', 'a dog'], {
      kind: 'passage',
    });
    const first = keepVectors(inner, path);
    expect(await first.embed(['a cat', 'a cat'], { kind: 'passage' })).toEqual([cat, cat]);
    expect(inner.seen).toEqual(['a cat']);
    const { size } = await stat(path);
    await appendFile(path, Buffer.alloc(7, 1));
    const second = keepVectors(inner, path);
    expect(await second.embed(['a dog', 'a cat'], { kind: 'passage' })).toEqual([dog, cat]);
    expect(inner.seen).toEqual(['a cat', 'a dog']);
    expect((await stat(path)).size).toBe(2 * size);
    const third = keepVectors(inner, path);
    expect(await third.embed(['a dog', 'a cat'], { kind: 'passage' })).toEqual([dog, cat]);
    await third.embed(['a cat'], { kind: 'query' });
    expect(inner.seen).toEqual(['a cat', 'a dog', 'a cat']);
    const other = new HashingEmbedder({ dimensions: 8 });
    Object.assign(other, { fingerprint: 'another' });
    await keepVectors(other, path).embed(['a cat'], { kind: 'passage' });
    expect(other.seen).toEqual(['a cat']);
  } finally {
    await rm(folder, { recursive: true });
  }
});
