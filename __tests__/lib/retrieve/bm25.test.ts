import { describe, expect, test } from '@jest/globals';
import * as fc from 'fast-check';
import type { Chunk } from '../../../lib/document.js';
import { bm25Retriever, restoreBm25Retriever } from '../../../lib/retrieve/bm25.js';

function chunk(id: string, text: string, more: Partial<Chunk> = {}): Chunk {
  const tokens = Int32Array.of(1, 2, 3);
  return { id, documentId: 'd', start: 0, end: text.length, text, tokens, tokenStart: 0, ...more };
}

const passages = [
  chunk('bees', 'Bees dance to tell where the flowers are.'),
  chunk('tides', 'The moon pulls the sea, and so there are tides.'),
  chunk('bread', 'Bread rises because yeast makes gas. Bread, bread, bread.'),
  chunk('tea', '茶の湯は京都で学べます。'),
];

async function ids(retriever: ReturnType<typeof bm25Retriever>, question: string, k = 8) {
  return (await retriever.search(question, { k })).map(({ chunk }) => chunk.id);
}

async function filled() {
  const retriever = bm25Retriever();
  await retriever.add(passages);
  return retriever;
}

describe('search', () => {
  test('finds what shares telling words, best first, at most k', async () => {
    const retriever = await filled();
    expect(await ids(retriever, 'Why does BREAD rise with yeast?')).toEqual(['bread']);
    expect(await ids(retriever, 'bread and the moon and the sea', 1)).toEqual(['tides']);
    expect(await ids(retriever, 'Where are the bees?')).toEqual(['bees']);
    expect(await ids(retriever, '京都')).toEqual(['tea']);
  });

  test('finds nothing for words that nobody knows, or for none', async () => {
    const retriever = await filled();
    expect(await ids(retriever, 'xylophone quartz')).toEqual([]);
    expect(await ids(retriever, '')).toEqual([]);
    expect(await ids(retriever, '?! 🎉')).toEqual([]);
    expect(await ids(bm25Retriever(), 'bees')).toEqual([]);
  });

  test('no prefix, no near miss counts', async () => {
    expect(await ids(await filled(), 'brea flower yeasts')).toEqual([]);
  });

  test('a question of function words alone still finds them', async () => {
    expect(await ids(await filled(), 'because')).toEqual(['bread']);
  });

  test('headings above a passage are found too', async () => {
    const retriever = await filled();
    await retriever.add([
      chunk('x', 'Use ten grams.', { metadata: { headings: ['Recipes', 'Sourdough'] } }),
    ]);
    expect(await ids(retriever, 'sourdough recipes')).toEqual(['x']);
  });

  test.each([0, -1, 1.5, NaN, Infinity])('k = %s is refused', async (k) => {
    await expect((await filled()).search('bees', { k })).rejects.toThrow(/k must be/);
  });

  test('an aborted search rejects', async () => {
    const signal = AbortSignal.abort(new Error('stop'));
    await expect((await filled()).search('bees', { k: 1, signal })).rejects.toThrow('stop');
  });

  test('equal scores come by document and place, however they were added', async () => {
    const equal = ['b', 'a', 'c'].flatMap((documentId) =>
      [70, 5].map((start) =>
        chunk(`${documentId}${start}`, 'same words', { documentId, start, end: start + 10 }),
      ),
    );
    const expected = ['a5', 'a70', 'b5', 'b70', 'c5', 'c70'];
    const retriever = bm25Retriever();
    await retriever.add(equal);
    expect(await ids(retriever, 'words')).toEqual(expected);
    await retriever.remove(['a5', 'c70']);
    await retriever.add(equal.toReversed());
    expect(await ids(retriever, 'words')).toEqual(expected);
  });

  test('words that JavaScript objects know of themselves are words like others', async () => {
    const retriever = bm25Retriever();
    await retriever.add([chunk('__proto__', 'constructor __proto__ toString hasOwnProperty')]);
    expect(await ids(retriever, 'constructor')).toEqual(['__proto__']);
    expect(await ids(retriever, 'valueOf')).toEqual([]);
    const restored = await restoreBm25Retriever(JSON.parse(JSON.stringify(retriever)));
    expect(await ids(restored, 'proto toString')).toEqual(['__proto__']);
  });
});

describe('add and remove', () => {
  test('it tells the chunks that it holds', async () => {
    const retriever = await filled();
    await retriever.remove(['tides']);
    const restored = await restoreBm25Retriever(JSON.parse(JSON.stringify(retriever)));
    for (const one of [retriever, restored]) {
      expect([...one.chunks!()]).toEqual(passages.filter(({ id }) => id !== 'tides'));
    }
  });

  test('a chunk with a known id replaces the old one', async () => {
    const retriever = bm25Retriever();
    await retriever.add([chunk('a', 'old words'), chunk('a', 'new things')]);
    expect(retriever.size).toBe(1);
    expect(await ids(retriever, 'old')).toEqual([]);
    expect(await ids(retriever, 'new')).toEqual(['a']);
  });

  test('unknown ids are left alone', async () => {
    const retriever = bm25Retriever();
    await retriever.add(passages);
    await retriever.remove(['nobody', 'bees', 'bees']);
    expect(retriever.size).toBe(3);
    expect(await ids(retriever, 'bees')).toEqual([]);
  });

  test('an aborted add keeps what was added, and rejects', async () => {
    const retriever = bm25Retriever();
    await expect(retriever.add(passages, { signal: AbortSignal.abort() })).rejects.toThrow(
      /abort/i,
    );
    expect(retriever.size).toBe(0);
  });

  test('an index after any changes finds the same as a fresh one', async () => {
    const word = fc.constantFrom('sun', 'moon', 'star', 'sky', 'sea', 'wind', 'rain', 'snow');
    const change = fc.record({
      id: fc.integer({ min: 0, max: 9 }),
      text: fc.option(fc.array(word, { minLength: 1, maxLength: 12 }), { freq: 3 }),
    });
    await fc.assert(
      fc.asyncProperty(
        fc.array(change, { maxLength: 40 }),
        word,
        word,
        async (changes, one, other) => {
          const retriever = bm25Retriever();
          const kept = new Map<string, Chunk>();
          for (const { id, text } of changes) {
            if (text) {
              const added = chunk(`${id}`, text.join(' '), { start: id, end: id + 100 });
              kept.set(added.id, added);
              await retriever.add([added]);
            } else {
              kept.delete(`${id}`);
              await retriever.remove([`${id}`]);
            }
          }
          const fresh = bm25Retriever();
          await fresh.add([...kept.values()]);
          const restored = await restoreBm25Retriever(JSON.parse(JSON.stringify(retriever)));
          const question = `${one} ${other}`;
          expect(retriever.size).toBe(kept.size);
          expect(await ids(retriever, question)).toEqual(await ids(fresh, question));
          expect(await ids(restored, question)).toEqual(await ids(fresh, question));
        },
      ),
      { numRuns: 60 },
    );
  });
});

describe('a saved index', () => {
  test('comes back with its chunks, and can be changed', async () => {
    const retriever = bm25Retriever();
    await retriever.add(passages);
    const restored = await restoreBm25Retriever(JSON.parse(JSON.stringify(retriever)));
    const [found] = await restored.search('moon', { k: 1 });
    expect(found?.chunk).toEqual(passages[1]);
    await restored.remove(['tides']);
    await restored.add([chunk('new', 'moonlight over the moon')]);
    expect(await ids(restored, 'moon sea')).toEqual(['new']);
  });

  test('that is damaged or of another version is refused', async () => {
    const retriever = bm25Retriever();
    await retriever.add(passages);
    const good = JSON.parse(JSON.stringify(retriever)) as Record<string, unknown>;
    const bad: unknown[] = [
      null,
      {},
      'text',
      { ...good, version: 0 },
      { ...good, format: 'other' },
      { ...good, chunks: [{}] },
      { ...good, chunks: passages.slice(1).map((passage) => ({ ...passage, tokens: [1] })) },
      { ...good, index: {} },
      { ...good, index: null },
    ];
    for (const snapshot of bad) {
      await expect(restoreBm25Retriever(snapshot)).rejects.toThrow(/Index the documents again/);
    }
  });
});

describe('filter', () => {
  test('only what meets it, and k of it where there are as many', async () => {
    const retriever = bm25Retriever();
    await retriever.add(
      [1, 2, 3, 4].map((year) => chunk(`${year}`, 'same words', { metadata: { year } })),
    );
    const filter = { op: 'range', field: 'year', atLeast: 3 } as const;
    const found = await retriever.search('words', { k: 2, filter });
    expect(found.map(({ chunk }) => chunk.id)).toEqual(['3', '4']);
  });

  test('one that cannot be is refused', async () => {
    const filter = { field: 'year', op: 'about', value: 3 } as never;
    await expect((await filled()).search('bees', { k: 1, filter })).rejects.toThrow(
      'the op "about"',
    );
  });
});

const nicknames: Readonly<Record<string, string>> = { bees: 'honey makers', tea: 'bread' };
const field = (weight?: number) => ({
  name: 'nickname',
  textOf: ({ id }: Chunk) => nicknames[id],
  ...(weight !== undefined && { weight }),
});

const bestOfBread = async (weight: number) => {
  const retriever = bm25Retriever({ fields: [field(weight)] });
  await retriever.add(passages);
  return (await ids(retriever, 'bread'))[0];
};

describe('fields', () => {
  test('chunks are found by them, as much as they weigh', async () => {
    for (const [weight, expected] of [
      [undefined, ['bees']],
      [0, []],
    ] as const) {
      const retriever = bm25Retriever({ fields: [field(weight)] });
      await retriever.add(passages);
      expect(await ids(retriever, 'honey')).toEqual(expected);
    }
    expect(await bestOfBread(0.1)).toBe('bread');
    expect(await bestOfBread(50)).toBe('tea');
  });

  test('they are saved, and an index of other fields is refused', async () => {
    const retriever = bm25Retriever({ fields: [field()] });
    await retriever.add(passages);
    const snapshot: unknown = JSON.parse(JSON.stringify(retriever));
    const back = await restoreBm25Retriever(snapshot, { fields: [field()] });
    expect(await ids(back, 'honey')).toEqual(['bees']);
    await back.remove(['bees']);
    expect(await ids(back, 'honey')).toEqual([]);
    await expect(restoreBm25Retriever(snapshot)).rejects.toThrow(
      'its fields are text, headings, nickname, not text, headings',
    );
  });

  test.each([
    [[field(), field()], 'named "nickname"'],
    [[{ ...field(), name: 'text' }], 'named "text"'],
    [[field(-1)], 'is -1'],
    [[field(Infinity)], 'is Infinity'],
  ])('%#: %s', (fields, problem) => {
    expect(() => bm25Retriever({ fields })).toThrow(problem);
  });
});
