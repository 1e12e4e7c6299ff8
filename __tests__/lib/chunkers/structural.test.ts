import { describe, test } from '@jest/globals';
import {
  type Chunker,
  contentDefinedChunker,
  fixedChunker,
  recursiveChunker,
  sentenceChunker,
} from '../../../lib/index.js';
import { chunkerConformance } from '../../../lib/testing/index.js';
import { randomDocuments } from '../../support/soak.js';
import { byteTokenizer, wordTokenizer } from '../../support/tokenizers.js';

const makers: Record<string, (maxTokens: number, overlapTokens: number) => Chunker> = {
  fixed: (maxTokens, overlapTokens) => fixedChunker({ maxTokens, overlapTokens }),
  recursive: (maxTokens, overlapTokens) => recursiveChunker({ maxTokens, overlapTokens }),
  sentence: (maxTokens, overlapTokens) => sentenceChunker({ maxTokens, overlapTokens }),
  'content-defined': (maxTokens) => contentDefinedChunker({ maxTokens }),
};

const settings = [
  { maxTokens: 9, overlapTokens: 0, tokenizer: byteTokenizer(1), share: 0.3 },
  { maxTokens: 24, overlapTokens: 8, tokenizer: byteTokenizer(2), share: 0.3 },
  { maxTokens: 40, overlapTokens: 0, tokenizer: wordTokenizer(), share: 0.4 },
];

for (const [name, make] of Object.entries(makers)) {
  const own = settings.filter(
    ({ overlapTokens }) => overlapTokens === 0 || name !== 'content-defined',
  );
  const parts = own.length;
  for (const [part, { maxTokens, overlapTokens, tokenizer, share }] of own.entries()) {
    describe(`${name}(${maxTokens}, overlap ${overlapTokens}) over ${tokenizer.fingerprint}`, () => {
      chunkerConformance({
        test,
        chunker: () => make(maxTokens, overlapTokens),
        tokenizer: () => tokenizer,
        maxTokens,
        // What a chunk repeats leaves less room for a character.
        longestCharacter: maxTokens - overlapTokens,
        overlaps: overlapTokens > 0,
        longLine: 20_000,
        ...randomDocuments(Math.round(600 * share), part, parts),
      });
    });
  }
}
