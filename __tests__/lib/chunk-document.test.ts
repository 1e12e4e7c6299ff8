import { describe, expect, test } from '@jest/globals';
import { chunkDocument, tokenizeDocument } from '../../lib/chunk-document.js';
import { ChunkBuilder } from '../../lib/chunkers/chunk-builder.js';
import type { Chunker } from '../../lib/chunkers/chunker.js';
import { recursiveChunker } from '../../lib/chunkers/recursive.js';
import type { Chunk, TokenizedDocument } from '../../lib/document.js';
import type { Tokenizer } from '../../lib/engine/tokenizer.js';
import { InvalidArgumentError, TokenizerError } from '../../lib/errors.js';
import { wordTokenizer } from '../support/tokenizers.js';

const document = { id: 'd', text: 'one two three four' };

/** A chunker from elsewhere: two chunks, of which `change` spoils something. */
function chunkerThat(change: (chunks: Chunk[], document: TokenizedDocument) => unknown): Chunker {
  return {
    name: 'theirs(2)',
    chunk: async (document) => {
      const builder = new ChunkBuilder(document);
      const chunks = [builder.build(0, 2), builder.build(2, 4)];
      return (change(chunks, document) ?? chunks) as Chunk[];
    },
  };
}

/** Replaces fields of the second chunk. */
function second(changes: (chunk: Chunk) => Partial<Chunk>): Chunker {
  return chunkerThat(([first, chunk]) => chunk && [first, { ...chunk, ...changes(chunk) }]);
}

describe('chunkDocument', () => {
  test('takes what a sound chunker returns, overlaps included', async () => {
    const tokenizer = wordTokenizer();
    const chunks = await chunkDocument(document, {
      tokenizer,
      chunker: chunkerThat(() => undefined),
    });
    expect(chunks.map(({ text }) => text)).toEqual(['one two', ' three four']);
    const overlapping = chunkerThat((_, document) => {
      const builder = new ChunkBuilder(document);
      return [builder.build(0, 3), builder.build(1, 4)];
    });
    expect(await chunkDocument(document, { tokenizer, chunker: overlapping })).toHaveLength(2);
  });

  test.each<[string, Chunker, RegExp]>([
    ['no array', chunkerThat(() => ({})), /returned no array/],
    ['a gap', chunkerThat((chunks) => chunks.slice(1)), /text between 0 and 7 is in no chunk/],
    [
      'a missing end',
      chunkerThat((chunks) => chunks.slice(0, 1)),
      /text between 7 and 18 is in no chunk/,
    ],
    [
      'another order',
      chunkerThat((chunks) => chunks.toReversed()),
      /text between 0 and 7|is not after/,
    ],
    ['the same twice', chunkerThat(([a]) => [a, a]), /is not after/],
    ['another text', second(() => ({ text: ' three  four' })), /chunk 1 has another text/],
    ['another document', second(() => ({ documentId: 'x' })), /belongs to document "x"/],
    ['no id', second(() => ({ id: '' })), /has no id/],
    ['a span past the end', second(() => ({ end: 99 })), /has the span 7 to 99/],
    ['half a character', second(() => ({ start: 7.5 })), /has the span 7.5/],
    ['an empty span', second(() => ({ end: 7, text: '' })), /is empty/],
    [
      'a border inside a token',
      second(({ text }) => ({ start: 8, text: text.slice(1) })),
      /begin and end where/,
    ],
    ['other tokens', second(() => ({ tokens: Int32Array.of(0, 0) })), /another token 2/],
    [
      'too few tokens',
      second(({ tokens }) => ({ tokens: tokens.slice(1) })),
      /begin and end where/,
    ],
  ])('refuses %s, and names the chunker', async (_name, chunker, problem) => {
    const run = chunkDocument(document, { tokenizer: wordTokenizer(), chunker });
    await expect(run).rejects.toThrow(InvalidArgumentError);
    await expect(run).rejects.toThrow(problem);
    await expect(run).rejects.toThrow(/"theirs\(2\)" broke its contract on document "d"/);
  });

  test('refuses equal ids', async () => {
    const chunker = chunkerThat(([a, b]) => a && b && [a, { ...b, id: a.id }]);
    const run = chunkDocument(document, { tokenizer: wordTokenizer(), chunker });
    await expect(run).rejects.toThrow(/the id "d#[0-9a-f]+" of an earlier one/);
  });

  test('does not tokenise again what has tokens, and asks for a tokenizer otherwise', async () => {
    const chunker = recursiveChunker();
    const tokenized = await tokenizeDocument(document, wordTokenizer());
    expect(await chunkDocument(tokenized, { chunker })).toHaveLength(1);
    await expect(chunkDocument(document, { chunker })).rejects.toThrow(/"d" has no tokens/);
  });

  test('keeps what the document says of itself, and passes signal and progress on', async () => {
    const full = { ...document, title: 'T', source: 's', metadata: { a: 1 } };
    expect(await tokenizeDocument(full, wordTokenizer())).toMatchObject(full);
    const shares: number[] = [];
    const options = { tokenizer: wordTokenizer(), chunker: recursiveChunker() };
    await chunkDocument(document, { ...options, onProgress: (share) => shares.push(share) });
    expect(shares).toEqual([1]);
    const signal = AbortSignal.abort(new Error('stop'));
    await expect(chunkDocument(document, { ...options, signal })).rejects.toThrow('stop');
  });
});

function withTokens(ids: number[], starts: number[]): Tokenizer {
  const tokens = { ids: Int32Array.from(ids), starts: Int32Array.from(starts) };
  return { ...wordTokenizer(), encode: async () => tokens };
}

describe('tokenizeDocument refuses starts that do not describe the text:', () => {
  test.each<[string, number[], number[], RegExp]>([
    ['too few', [1, 2], [0, 18], /2 tokens have 2 starts/],
    ['another end', [1], [0, 17], /last start is 17/],
    ['a late beginning', [1], [3, 18], /first token starts at 3/],
    ['going back', [1, 2, 3], [0, 5, 4, 18], /token 2 starts at 4/],
    ['negative ones', [1, 2], [0, -2, 18], /token 1 starts at -2/],
    ['nothing at all', [], [18], /text that is not blank has no tokens/],
  ])('%s', async (_name, ids, starts, problem) => {
    const run = tokenizeDocument(document, withTokens(ids, starts));
    await expect(run).rejects.toThrow(TokenizerError);
    await expect(run).rejects.toThrow(problem);
  });

  test('but takes tokens inside characters, and a text of blanks without tokens', async () => {
    await tokenizeDocument(document, withTokens([1, 2, 3], [0, -1, 5, 18]));
    await tokenizeDocument({ id: 'd', text: '' }, withTokens([], [0]));
    await tokenizeDocument({ id: 'd', text: ' \n' }, withTokens([], [2]));
  });
});
