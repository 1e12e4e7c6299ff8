import { expect, test } from '@jest/globals';
import { splitAsChroma } from '../../../bench/chunking/chroma-splitter.js';
import { Cl100kTokenizer } from '../../../bench/chunking/cl100k.js';

const split = (text: string, size: number, overlap = 0, separators?: readonly string[]) =>
  splitAsChroma(text, {
    size,
    overlap,
    lengthOf: (part) => part.length,
    ...(separators && { separators }),
  }).map(({ start, end }) => text.slice(start, end));

test('pieces begin with their separator, and are joined while they fit', () => {
  expect(split('one. two. three. four', 12)).toEqual(['one. two', '. three', '. four']);
  expect(split('aa\n\nbb\n\ncc', 6)).toEqual(['aa\n\nbb', 'cc']);
});

test('what is too long is split at the next separator', () => {
  expect(split('aaa bbb ccc\n\nd', 8)).toEqual(['aaa bbb', 'ccc', 'd']);
  expect(split('abcdefgh', 3)).toEqual(['abc', 'def', 'gh']);
});

test('overlap repeats whole pieces', () => {
  expect(split('a b c d e f', 5, 2)).toEqual(['a b c', 'c d', 'd e', 'e f']);
});

test('the splitter of LangChain gives the same', async () => {
  const { RecursiveCharacterTextSplitter } = await import('@langchain/textsplitters');
  const separators = ['\n\n', '\n', ' ', ''];
  let text = '';
  for (let i = 0; i < 400; i++)
    text += `word${(i * i) % 97}${i % 13 === 0 ? '\n\n' : i % 5 === 0 ? '\n' : ' '}`;
  for (const [chunkSize, chunkOverlap] of [
    [60, 0],
    [100, 50],
  ] as const) {
    const splitter = new RecursiveCharacterTextSplitter({ chunkSize, chunkOverlap, separators });
    const theirs = await splitter.splitText(text);
    expect(split(text, chunkSize, chunkOverlap, separators)).toEqual(theirs);
  }
});

test('tokens of cl100k_base have their places', async () => {
  const tokenizer = new Cl100kTokenizer();
  const text = 'Hello world, naïve 👍 日本語!\n'.repeat(3);
  const { ids, starts } = await tokenizer.encode(text);
  expect(ids.length).toBe(tokenizer.count(text));
  // Known ids of that vocabulary.
  expect(Array.from(ids.slice(0, 3))).toEqual([9906, 1917, 11]);
  expect(Array.from(starts.slice(0, 3))).toEqual([0, 5, 11]);
  expect(starts.at(-1)).toBe(text.length);
  const places = starts.filter((start) => start >= 0);
  expect([...places].every((start, i) => i === 0 || start >= (places[i - 1] as number))).toBe(true);
});
