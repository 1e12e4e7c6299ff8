import { appendFile, mkdtemp, rm, stat } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { expect, test } from '@jest/globals';
import { keepVectors } from '../../../bench/chunking/kept-vectors.js';
import { isContextEmbedder, type PassageInContext } from '../../../lib/retrieve/embedder.js';
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

test('vectors of passages in context are kept too, by all of it', async () => {
  const folder = await mkdtemp(join(tmpdir(), 'chunkweave-test-'));
  try {
    const path = join(folder, 'vectors');
    let asked = 0;
    const inner = Object.assign(new HashingEmbedder({ dimensions: 8 }), {
      async embedInContext(parts: readonly PassageInContext[]): Promise<Float32Array[]> {
        asked += parts.length;
        return parts.map(({ before }) => new Float32Array(8).fill(before.length));
      },
    });
    const open = () => {
      const kept = keepVectors(inner, path);
      if (!isContextEmbedder(kept)) throw new Error('it embeds in context');
      return kept;
    };
    const [a, b] = [
      { before: 'a', text: 'x', after: '' },
      { before: 'ab', text: 'x', after: '' },
    ];
    const first = await open().embedInContext([a, b, a]);
    expect(first.map(([value]) => value)).toEqual([1, 2, 1]);
    expect(asked).toBe(2);
    expect(await open().embedInContext([b, a])).toEqual([first[1], first[0]]);
    expect(asked).toBe(2);
    expect(isContextEmbedder(keepVectors(new HashingEmbedder({ dimensions: 8 }), path))).toBe(
      false,
    );
  } finally {
    await rm(folder, { recursive: true });
  }
});
