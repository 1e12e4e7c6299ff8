import { checkChunks, tokenizeDocument } from '../chunk-document.js';
import type { Chunker } from '../chunkers/chunker.js';
import type { Tokenizer } from '../engine/tokenizer.js';
import { sizeProblem } from './chunkers/check-sizes.js';
import { blankTexts, hardTexts } from './chunkers/hard-texts.js';
import { fewestPieces, randomPieces } from './chunkers/random-document.js';

export interface ChunkerConformanceOptions {
  /** Registers a test, for example the `test` of Jest, Vitest or `node:test`. */
  readonly test: (name: string, run: () => Promise<void>) => void;
  /** The chunker under test; called once a test. */
  readonly chunker: () => Chunker | Promise<Chunker>;
  /** Texts are tokenised with it. */
  readonly tokenizer: () => Tokenizer | Promise<Tokenizer>;
  /** Most tokens of a chunk, where the chunker has such a limit. */
  readonly maxTokens?: number;
  /** Most tokens of a character that stays whole, whatever it is next to; default `maxTokens`. */
  readonly longestCharacter?: number;
  /** Whether chunks may repeat text of their neighbours; default false. */
  readonly overlaps?: boolean;
  /**
   * Random documents that are cut, each another one, the same in every run; default 200. They take about a tenth of a
   * millisecond each, and as long as the chunker takes.
   */
  readonly randomDocuments?: number;
  /** Number of the first of them; default 1. Others are other documents. */
  readonly firstDocument?: number;
  /** UTF-16 units of the long line; default 1,000,000. Lower it for a chunker that runs a model. */
  readonly longLine?: number;
}

/** Tests that every chunker must pass; runs under any test runner. */
export function chunkerConformance(options: ChunkerConformanceOptions): void {
  const { test, maxTokens = Infinity, overlaps = false, longLine = 1_000_000 } = options;
  const { randomDocuments = 200, firstDocument = 1, longestCharacter = maxTokens } = options;
  const bounds = { maxTokens, longestCharacter, overlaps };

  const cut = async (text: string, id = 'text.md') => {
    const document = await tokenizeDocument({ id, text }, await options.tokenizer());
    const chunker = await options.chunker();
    const chunks = await chunker.chunk(document);
    await checkChunks(document, chunks, { chunkerName: chunker.name });
    const problem = sizeProblem(document, chunks, bounds);
    ensure(problem === undefined, `no problem like: ${problem}`);
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

  test(`cuts ${randomDocuments} random documents`, async () => {
    for (let number = firstDocument; number < firstDocument + randomDocuments; number++) {
      const pieces = randomPieces(number);
      const failure = await failureOf(() => cut(pieces.join('')));
      if (!failure) continue;
      const text = await fewestPieces(pieces, async (part) => !!(await failureOf(() => cut(part))));
      throw new Error(
        `Random document ${number} failed; of it, ${JSON.stringify(text)} does: ` +
          ((await failureOf(() => cut(text))) ?? failure).message,
        { cause: failure },
      );
    }
  });

  test('cuts documents side by side as one after another', async () => {
    const texts = Array.from({ length: 8 }, (_, i) => randomPieces(i + 1).join(''));
    const alone: unknown[] = [];
    for (const text of texts) alone.push(await cut(text));
    const together = await Promise.all(texts.map((text) => cut(text)));
    ensure(JSON.stringify(alone) === JSON.stringify(together), 'calls do not disturb each other');
  });

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
    const problem = sizeProblem(document, chunks, bounds);
    ensure(problem === undefined, `no problem like: ${problem}`);
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

async function failureOf(run: () => Promise<unknown>): Promise<Error | undefined> {
  try {
    await run();
    return undefined;
  } catch (error) {
    return error instanceof Error ? error : new Error(String(error));
  }
}

function ensure(condition: boolean, expectation: string): asserts condition {
  if (!condition) throw new Error(`Expected: ${expectation}.`);
}
