import { createRequire } from 'node:module';
import { describe, expect, test } from '@jest/globals';
import { treeSitterParser } from '../../../adapters/tree-sitter/index.js';
import {
  chunkDocument,
  type Chunker,
  codeChunker,
  type CodeParser,
  type SyntaxNode,
} from '../../../lib/index.js';
import { chunkerConformance } from '../../../lib/testing/index.js';
import { randomDocuments } from '../../support/soak.js';
import { wordTokenizer } from '../../support/tokenizers.js';

const grammar = createRequire(import.meta.url).resolve('tree-sitter-json/tree-sitter-json.wasm');
const parser = treeSitterParser({ grammar, name: 'json' });

const cut = (text: string, chunker: Chunker) =>
  chunkDocument({ id: 'd', text }, { tokenizer: wordTokenizer(), chunker });

describe('code over tree-sitter', () => {
  chunkerConformance({
    test,
    chunker: () => codeChunker({ parser, maxTokens: 40 }),
    tokenizer: wordTokenizer,
    maxTokens: 40,
    longLine: 10_000,
    ...randomDocuments(80),
  });
});

const member = (name: string) =>
  `  "${name}": {\n    "one": [1, 2, 3],\n    "two": "words and words"\n  }`;

test('JSON is cut between its members, the outer ones first', async () => {
  const text = `{\n${['alpha', 'beta', 'gamma', 'delta'].map(member).join(',\n')}\n}\n`;
  const chunks = await cut(text, codeChunker({ parser, maxTokens: 45, minTokens: 0 }));
  expect(chunks.length).toBeGreaterThan(2);
  for (const chunk of chunks.slice(1)) expect(chunk.text).toMatch(/^ {2}"(?:beta|gamma|delta)"/);
});

test('a grammar that is none is refused, and the next try is a new one', async () => {
  const broken = treeSitterParser({ grammar: Uint8Array.of(1, 2, 3) });
  for (let i = 0; i < 2; i++) {
    await expect(cut('{}', codeChunker({ parser: broken }))).rejects.toThrow(
      /grammar of 3 bytes cannot be loaded/,
    );
  }
});

/** Classes and functions by indentation: enough of a parser to see what the chunker makes of a tree. */
const indentation: CodeParser = {
  name: 'indentation',
  parse: async (text, read) => read(treeOf(text, 0, text.length, 0)),
};

function treeOf(text: string, start: number, end: number, depth: number): SyntaxNode {
  const children: SyntaxNode[] = [];
  const pattern = new RegExp(`^ {${2 * depth}}(class|function|//|\\w).*$`, 'gm');
  const places = [...text.slice(start, end).matchAll(pattern)]
    .map((match) => ({ at: start + match.index + 2 * depth, word: match[1] as string }))
    .filter(({ at }) => depth === 0 || at > start);
  for (const [i, { at, word }] of places.entries()) {
    const to = text.slice(at, places[i + 1]?.at ?? end).trimEnd().length + at;
    const type = word === '//' ? 'comment' : `${word}_declaration`;
    const isNested = word === 'class' || word === 'function';
    const inner = isNested ? treeOf(text, at, to, depth + 1) : undefined;
    children.push({
      type,
      startIndex: at,
      endIndex: to,
      namedChildren: inner?.namedChildren ?? [],
    });
  }
  return { type: 'program', startIndex: start, endIndex: end, namedChildren: children };
}

const method = (name: string) =>
  `  // Says ${name}.\n  function ${name}() {\n    call one two three;\n    call four five six;\n`;

describe('with a parser of another kind', () => {
  test('members stay whole, comments stay with them, and scopes are said', async () => {
    const text = `class A {\n${['a', 'b', 'c'].map(method).join('')}\nclass B {\n${method('d')}`;
    const chunks = await cut(
      text,
      codeChunker({ parser: indentation, maxTokens: 40, minTokens: 0 }),
    );
    expect(
      chunks.map(({ text, metadata }) => [text.trim().split('\n')[0], metadata?.['headings']]),
    ).toEqual([
      ['class A {', ['class A {']],
      ['// Says b.', ['class A {']],
      ['// Says c.', ['class A {']],
      ['class B {', ['class B {']],
    ]);
  });
});
