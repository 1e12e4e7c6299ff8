import { checkChunks, tokenizeDocument } from '../chunk-document.js';
import type { Chunk, TokenizedDocument } from '../document.js';
import type { Tokenizer } from '../engine/tokenizer.js';
import { splitsPair } from './characters.js';
import type { Chunker } from './chunker.js';

export interface ChunkerConformanceOptions {
  /** Registers a test, for example the `test` of Jest, Vitest or `node:test`. */
  readonly test: (name: string, run: () => Promise<void>) => void;
  /** The chunker under test; called once a test. */
  readonly chunker: () => Chunker | Promise<Chunker>;
  /** Texts are tokenised with it. */
  readonly tokenizer: () => Tokenizer | Promise<Tokenizer>;
  /** Most tokens of a chunk, where the chunker has such a limit. */
  readonly maxTokens?: number;
  /** UTF-16 units of the long line; default 1,000,000. Lower it for a chunker that runs a model. */
  readonly longLine?: number;
}

/** Texts that have broken chunkers, by name. */
export const hardTexts: Readonly<Record<string, string>> = {
  'one word': 'Word',
  'two paragraphs': 'First paragraph. It has two sentences.\n\nSecond paragraph.',
  'line ends of Windows': 'Title\r\n\r\nA line.\r\nAnother line.\r\n\r\nThe end.\r\n'.repeat(20),
  'line ends of old Macs': 'A line.\rAnother line.\r\rThe end.\r'.repeat(20),
  'no blank lines': 'A line of a log, with a comma; and more.\n'.repeat(100),
  'blanks around': `${' \n\t\n'.repeat(50)}Text at last.${'\n \n'.repeat(200)}More.${' '.repeat(500)}`,
  'headings only': '# One\n## Two\n### Three\n#### Four\n# Five\n'.repeat(20),
  Markdown:
    `# Guide\n\nSome words.\n\n## Install\n\n\`\`\`sh\n# not a heading\n\nnpm install\n\`\`\`\n\n- one\n- two\n\n`.repeat(
      12,
    ),
  code: `function add(a, b) {\n    if (a) {\n        return a + b;\n    }\n\n    return b;\n}\n\n`.repeat(
    30,
  ),
  'a table': '| name | size | note |\n|---|---:|---|\n' + '| café | 1,024.50 | ok |\n'.repeat(80),
  Chinese: '知识就是力量。学习使人进步，“温故而知新”。可以为师矣！'.repeat(40),
  Japanese:
    '吾輩は猫である。名前はまだ無い。どこで生れたかとんと見当がつかぬ。データベース、ﾊﾝｶｸ。'.repeat(
      30,
    ),
  Korean: '나랏말싸미 듕귁에 달아 문자와로 서르 사맛디 아니할쎄. 각각 다르다.'.repeat(30),
  Arabic: 'اَلْعِلْمُ نُورٌ، وَالْجَهْلُ ظَلَامٌ. هل تعرف ذلك؟ نعم؛ أعرف۔ '.repeat(30),
  Hindi: 'ज्ञान ही शक्ति है। क्षत्रिय, श्रीमान। '.repeat(40),
  Thai: 'ความรู้คืออำนาจน้ำใจงามทำได้'.repeat(40),
  emoji: '👩‍👩‍👧‍👦👍🏽🇩🇪🇫🇷❤️‍🔥1️⃣ text 🏴󠁧󠁢󠁥󠁮󠁧󠁿 '.repeat(30),
  'stacked marks': `${'Z̴̡̛͉̝a̷̢͎l̸̡g̶̢o̵ '.repeat(40)}`,
  'lone surrogates': `a\ud800b\udc00 \udfff\ud83d c\ud800`.repeat(30),
  'control characters': 'a\u0000b\u0000\u0000 \u0007c\u001b[0m\u0085d\ufeff e\u2028f\u2029g'.repeat(
    30,
  ),
  'no word ends': 'x'.repeat(5000),
  base64: 'TWFuIGlzIGRpc3Rpbmd1aXNoZWQ+/09+'.repeat(100),
  'signs only': '=-'.repeat(800) + '!?.,;:'.repeat(200),
  'equal passages': 'The same words again.\n\n'.repeat(60),
};

/** Texts that hold nothing to be found, so they have no chunks. */
const blankTexts = ['', ' ', '\n\n\n', '\t \u3000\u00a0\r\n', ' '.repeat(3000)];

/** Tests that every chunker must pass; runs under any test runner. */
export function chunkerConformance(options: ChunkerConformanceOptions): void {
  const { test, maxTokens = Infinity, longLine = 1_000_000 } = options;

  const cut = async (text: string, id = 'text.md') => {
    const document = await tokenizeDocument({ id, text }, await options.tokenizer());
    const chunker = await options.chunker();
    const chunks = await chunker.chunk(document);
    await checkChunks(document, chunks, { chunkerName: chunker.name });
    checkSizes(document, chunks, maxTokens);
    return chunks;
  };

  for (const [name, text] of Object.entries(hardTexts)) {
    test(`cuts ${name}`, async () => {
      const first = await cut(text);
      ensure(first.length > 0, 'a text that is not blank has chunks');
      const second = await cut(text);
      ensure(
        JSON.stringify(first) === JSON.stringify(second),
        'the same document gives the same chunks',
      );
    });
  }

  test('cuts blank texts into nothing', async () => {
    for (const text of blankTexts) {
      ensure((await cut(text)).length === 0, `no chunks in ${JSON.stringify(text.slice(0, 20))}`);
    }
  });

  test('names passages by document and content', async () => {
    const text = hardTexts['two paragraphs'] ?? '';
    const here = await cut(text, 'a folder/é #1?.md');
    const there = await cut(text, 'b.md');
    ensure(
      here.every(({ id }, i) => id !== there[i]?.id),
      'ids differ between documents',
    );
    ensure(
      here.every(({ id }) => URL.canParse(id, 'https://example.com/')),
      'ids are fit for a URL',
    );
  });

  test(`cuts a line of ${longLine} characters, and reports how far it is`, async () => {
    const text = 'lorem-ipsum, dolor; '.repeat(Math.ceil(longLine / 20)).slice(0, longLine);
    const document = await tokenizeDocument({ id: 'line', text }, await options.tokenizer());
    const chunker = await options.chunker();
    const shares: number[] = [];
    const chunks = await chunker.chunk(document, { onProgress: (share) => shares.push(share) });
    await checkChunks(document, chunks, { chunkerName: chunker.name });
    checkSizes(document, chunks, maxTokens);
    ensure(shares.at(-1) === 1, 'progress ends with 1');
    ensure(
      shares.every((share, i) => share >= (shares[i - 1] ?? 0) && share <= 1),
      'progress only grows',
    );
  });

  test('stops when aborted', async () => {
    const document = await tokenizeDocument(
      { id: 'text', text: hardTexts['no blank lines'] ?? '' },
      await options.tokenizer(),
    );
    const reason = new Error('stop');
    const chunker = await options.chunker();
    const outcome = await chunker.chunk(document, { signal: AbortSignal.abort(reason) }).then(
      () => undefined,
      (error: unknown) => error,
    );
    ensure(outcome === reason, "an aborted run rejects with the signal's reason");
  });
}

function checkSizes(
  document: TokenizedDocument,
  chunks: readonly Chunk[],
  maxTokens: number,
): void {
  for (const chunk of chunks) {
    ensure(
      chunk.tokens.length <= maxTokens,
      `${chunk.id} has ${chunk.tokens.length} tokens, over ${maxTokens}`,
    );
    ensure(
      !splitsPair(document.text, chunk.start) && !splitsPair(document.text, chunk.end),
      `${chunk.id} does not split a surrogate pair`,
    );
  }
}

function ensure(condition: boolean, expectation: string): asserts condition {
  if (!condition) throw new Error(`Expected: ${expectation}.`);
}
