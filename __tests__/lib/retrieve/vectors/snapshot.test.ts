import { expect, test } from '@jest/globals';
import * as fc from 'fast-check';
import { flatIndex, restoreFlatIndex } from '../../../../lib/index.js';
import {
  type Block,
  BlockWriter,
  endKind,
  readBlocks,
} from '../../../../lib/retrieve/vectors/blocks.js';

const embedder = { fingerprint: 'x', dimensions: 2 };

async function bytesOf(blocks: readonly Block[]): Promise<Uint8Array[]> {
  const writer = new BlockWriter();
  return [writer.signature(), ...blocks.map(({ kind, bytes }) => writer.block(kind, bytes))];
}

const text = (value: unknown): Uint8Array => new TextEncoder().encode(JSON.stringify(value));
const numbers = (...values: number[]): Uint8Array =>
  new Uint8Array(Float32Array.from(values).buffer);
const end: Block = { kind: endKind, bytes: new Uint8Array(0) };
const header = (size: number, rest: object = {}): Block => ({
  kind: 1,
  bytes: text({
    format: 'chunkweave-vectors',
    version: 1,
    dimensions: 2,
    metric: 'dot',
    fingerprint: 'x',
    size,
    ...rest,
  }),
});
const names = (...pairs: unknown[]): Block => ({ kind: 2, bytes: text(pairs) });
const vectors = (...values: number[]): Block => ({ kind: 3, bytes: numbers(...values) });

test('a file is read whose checksums hold, with blocks of other indexes in it', async () => {
  const good = await bytesOf([
    header(2),
    names(['a', {}], ['b', { page: 1 }]),
    vectors(1, 2, 3, 4),
    { kind: 77, bytes: Uint8Array.of(1, 2, 3) },
    end,
  ]);
  const index = await restoreFlatIndex(good, { embedder, metric: 'dot' });
  expect(await index.query(Float32Array.of(1, 0), { k: 9 })).toEqual([
    { id: 'b', score: 3, metadata: { page: 1 } },
    { id: 'a', score: 1, metadata: {} },
  ]);
});

test('a buffer is read wherever it begins', async () => {
  const index = flatIndex({ embedder });
  await index.add([{ id: 'a', vector: Float32Array.of(3, 4) }]);
  const pieces: Uint8Array[] = [];
  for await (const piece of index.toBytes()) pieces.push(piece);
  for (const start of [0, 1, 2, 3]) {
    const bytes = Buffer.concat([new Uint8Array(start), ...pieces]).subarray(start);
    expect(await (await restoreFlatIndex(bytes, { embedder })).size()).toBe(1);
  }
});

// Checksums guard against accidents, so what they let pass is not trusted either.
const wrong: Readonly<Record<string, readonly Block[]>> = {
  'no header': [names(['a', {}]), vectors(1, 2), end],
  'nothing but an end': [end],
  'another format': [header(0, { format: 'else' }), end],
  'a version to come': [header(0, { version: 2 }), end],
  'a metric that is none': [header(0, { metric: 'taxi' }), end],
  'a size that is none': [header(0, { size: 'many' }), end],
  'more than the header says': [header(0), names(['a', {}]), vectors(1, 2), end],
  'less than the header says': [header(2), names(['a', {}]), vectors(1, 2), end],
  'names without vectors': [header(1), names(['a', {}]), end],
  'names twice': [header(1), names(['a', {}]), names(['a', {}]), vectors(1, 2), end],
  'vectors without names': [header(0), vectors(1, 2), end],
  'too few numbers': [header(1), names(['a', {}]), vectors(1), end],
  'an id twice': [header(2), names(['a', {}], ['a', {}]), vectors(1, 2, 3, 4), end],
  'an id that is none': [header(1), names([7, {}]), vectors(1, 2), end],
  'metadata that are none': [header(1), names(['a', [1]]), vectors(1, 2), end],
  'a name that is none': [header(1), names(7), vectors(1, 2), end],
  'names that are no list': [header(1), { kind: 2, bytes: text({}) }, vectors(1, 2), end],
  'names that are no JSON': [header(1), { kind: 2, bytes: Uint8Array.of(0x5b, 0xff) }, end],
  'a number that is none': [header(1), names(['a', {}]), vectors(1, Number.NaN), end],
  'no end': [header(0)],
};

test.each(Object.entries(wrong))('a file with %s is refused', async (_what, blocks) => {
  const bytes = await bytesOf(blocks);
  const restoring = restoreFlatIndex(bytes, { embedder, metric: 'dot' });
  await expect(restoring).rejects.toMatchObject({ code: 'INDEX_FILE' });
});

const read = async (pieces: Uint8Array[]) => {
  const kinds: number[] = [];
  for await (const { kind } of readBlocks(pieces)) kinds.push(kind);
  return kinds;
};

test('blocks of a file that lost, doubled or swapped some are refused', async () => {
  const [start, head, a, b, last] = (await bytesOf([
    header(0),
    { kind: 20, bytes: Uint8Array.of(1) },
    { kind: 20, bytes: Uint8Array.of(2) },
    end,
  ])) as [Uint8Array, Uint8Array, Uint8Array, Uint8Array, Uint8Array];
  expect(await read([start, head, a, b, last])).toEqual([1, 20, 20, endKind]);
  for (const pieces of [
    [head, a, last],
    [head, b, a, last],
    [head, a, a, b, last],
    [head, last],
  ]) {
    await expect(read([start, ...pieces])).rejects.toMatchObject({ code: 'INDEX_FILE' });
  }
});

test('a length that nothing stands behind takes no memory', async () => {
  const head = new Uint8Array(8);
  new DataView(head.buffer).setUint32(4, 2 ** 30 - 1, true);
  const bytes = [new BlockWriter().signature(), head, new Uint8Array(100)];
  await expect(restoreFlatIndex(bytes, { embedder })).rejects.toMatchObject({ code: 'INDEX_FILE' });
});

const byId = (a: { id: string }, b: { id: string }) => (a.id < b.id ? -1 : 1);

test('any ids and metadata of JSON come back', async () => {
  const id = fc.string({ minLength: 1, unit: 'grapheme' }).filter((one) => !one.includes('\0'));
  const metadata = fc.dictionary(
    fc.string({ unit: 'grapheme' }).filter((name) => !name.includes('\0')),
    fc.jsonValue({ maxDepth: 3 }),
  );
  await fc.assert(
    fc.asyncProperty(
      fc.uniqueArray(fc.record({ id, metadata }), { selector: (one) => one.id, maxLength: 20 }),
      async (notes) => {
        const index = flatIndex({ embedder });
        const vector = Float32Array.of(1, 1);
        const kept = notes.filter((one) => !/\\u0000|\\ud[89a-f]/i.test(JSON.stringify(one)));
        await index.add(kept.map((one) => ({ ...one, vector })));
        const again = await restoreFlatIndex(index.toBytes(), { embedder });
        const found = await again.query(vector, { k: 100 });
        expect(
          JSON.parse(
            JSON.stringify(found.map(({ id, metadata }) => ({ id, metadata })).sort(byId)),
          ),
        ).toEqual(
          JSON.parse(JSON.stringify(kept.map(({ id, metadata }) => ({ id, metadata })).sort(byId))),
        );
      },
    ),
    { numRuns: 40 },
  );
});
