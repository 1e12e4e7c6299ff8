import { describe, expect, test } from '@jest/globals';
import { chunkDocument, type Chunker, htmlChunker, markdownChunker } from '../../../lib/index.js';
import { chunkerConformance } from '../../../lib/testing/index.js';
import { byteTokenizer, wordTokenizer } from '../../support/tokenizers.js';
import { randomDocuments } from '../../support/soak.js';

const makers: Record<string, (maxTokens: number) => Chunker> = {
  markdown: (maxTokens) => markdownChunker({ maxTokens }),
  html: (maxTokens) => htmlChunker({ maxTokens }),
};

for (const [name, make] of Object.entries(makers)) {
  for (const [part, { maxTokens, tokenizer }] of [
    { maxTokens: 12, tokenizer: byteTokenizer(1) },
    { maxTokens: 40, tokenizer: wordTokenizer() },
  ].entries()) {
    describe(`${name}(${maxTokens}) over ${tokenizer.fingerprint}`, () => {
      chunkerConformance({
        test,
        chunker: () => make(maxTokens),
        tokenizer: () => tokenizer,
        maxTokens,
        longLine: 20_000,
        ...randomDocuments(120, part, 2),
      });
    });
  }
}

const cut = async (text: string, chunker: Chunker) =>
  chunkDocument({ id: 'd', text }, { tokenizer: wordTokenizer(), chunker });

describe('Markdown', () => {
  const table = `| a | b |\n|---|---|\n${'| one | two |\n'.repeat(4)}`;
  const code = `\`\`\`js\nconst x = 1;\n\nconst y = 2;\n\`\`\`\n`;

  test('tables and code stay whole where they fit', async () => {
    const text = `Words come first, some of them.\n\n${table}\nMore words here.\n\n${code}\nThe end of it all.\n`;
    const chunks = await cut(text, markdownChunker({ maxTokens: 60 }));
    const texts = chunks.map((chunk) => chunk.text);
    expect(texts.some((part) => part.includes(table.trimEnd()))).toBe(true);
    expect(texts.some((part) => part.includes(code.trimEnd()))).toBe(true);
    expect(chunks.length).toBeGreaterThan(1);
  });

  test('a table that does not fit is cut between rows', async () => {
    const rows = Array.from({ length: 30 }, (_, i) => `| row ${i} | value ${i} |\n`);
    const chunks = await cut(
      `| a | b |\n|---|---|\n${rows.join('')}`,
      markdownChunker({ maxTokens: 50 }),
    );
    expect(chunks.length).toBeGreaterThan(3);
    for (const { text } of chunks) expect(text).toMatch(/^\|.*\|$/s);
  });

  test('headings of both forms are above what they announce', async () => {
    const text =
      'Top\n===\n\nFirst words of it.\n\nPart *one*\n---\n\nSecond words.\n\n### Deep ###\n\nThird words.\n\n# Next\n\nLast words.\n';
    const chunks = await cut(text, markdownChunker({ maxTokens: 12 }));
    expect(
      chunks.map(({ text, metadata }) => [text.split('\n')[0], metadata?.['headings']]),
    ).toEqual([
      ['Top', ['Top']],
      ['Part *one*', ['Top', 'Part *one*']],
      ['### Deep ###', ['Top', 'Part *one*', 'Deep']],
      ['# Next', ['Next']],
    ]);
  });

  test('a heading inside of code or a comment is none', async () => {
    const text = '# A\n\n    # indented\n\n```\n# fenced\n```\n\nwords\n';
    const chunks = await cut(text, markdownChunker({ maxTokens: 200 }));
    expect(chunks.map(({ metadata }) => metadata?.['headings'])).toEqual([['A']]);
  });

  test('lists and quotes nested beyond reason are cut at lines', async () => {
    for (const text of ['- '.repeat(20_000), `${'> '.repeat(20_000)}x`]) {
      const chunks = await cut(text, markdownChunker({ maxTokens: 40 }));
      expect(chunks.length).toBeGreaterThan(100);
    }
  });

  test('items are cut apart before their sentences are', async () => {
    const items = Array.from({ length: 8 }, (_, i) => `- Item ${i} is here. It says more.\n`);
    const chunks = await cut(items.join(''), markdownChunker({ maxTokens: 30 }));
    expect(chunks.length).toBeGreaterThan(2);
    for (const { text } of chunks) expect(text).toMatch(/^- Item/);
  });
});

describe('HTML', () => {
  test('headings, blocks and rows are places, and the path of headings is said', async () => {
    const text =
      '<html><body>\n<h1>All <b>of</b> it</h1><p>First words of it.</p><p>And more of them.</p>\n' +
      '<h2>Part</h2><table><tr><td>one</td></tr><tr><td>two</td></tr></table></body></html>';
    const chunks = await cut(text, htmlChunker({ maxTokens: 40 }));
    expect(chunks.map((chunk) => chunk.text).join('\n')).toBe(text);
    const part = chunks.find((chunk) => chunk.text.startsWith('<h2>'));
    expect(part?.metadata?.['headings']).toEqual(['All of it', 'Part']);
    expect(part?.text).toContain('</tr></table>');
    // A token holds the end of one tag and the beginning of the next: then both belong to what begins.
    const dense = await cut(text.replaceAll('\n', ''), htmlChunker({ maxTokens: 40 }));
    expect(dense.some((chunk) => chunk.text.startsWith('><h2>Part'))).toBe(true);
  });

  test('tables inside tables, 50 deep, and tags without end are cut all the same', async () => {
    const nested = `${'<table><tr><td>'.repeat(50)}deep${'</td></tr></table>'.repeat(50)}`;
    for (const text of [nested, '<div>'.repeat(3000), '<b'.repeat(500), '<!-- '.repeat(300)]) {
      const chunks = await cut(text, htmlChunker({ maxTokens: 40 }));
      expect(chunks.map((chunk) => chunk.text).join('')).toBe(text.trim());
    }
  });
});
