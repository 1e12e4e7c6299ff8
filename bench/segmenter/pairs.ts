import { approximateTokens, type Document, type Embedder } from '../../lib/index.js';
import { embedTexts, textsOf } from '../../lib/chunkers/embedded-units.js';
import { LINE, PARAGRAPH, type Units, unitsOf } from '../../lib/chunkers/units.js';
import { runSteps } from '../../lib/pace.js';
import { seededInteger, seededRandom } from '../../lib/random.js';
import type { Pair } from './network.js';

/** Longest sentence, in tokens: that of the chunker. */
const sentenceTokens = 120;
/** Kind of a border between sentences of one line. */
const SENTENCE = LINE + 1;

/**
 * Pairs of neighbouring sentences of texts with blank lines between paragraphs. Ends of lines that end no paragraph say
 * nothing either way, nor do tables, code and numbers: such neighbours are left out.
 */
export async function pairsOf(documents: readonly Document[], embedder: Embedder): Promise<Pair[]> {
  const pairs: Pair[] = [];
  for (const document of documents) {
    const tokenized = await approximateTokens(document);
    const units = await runSteps(unitsOf(tokenized, sentenceTokens), {});
    const texts = textsOf(tokenized, units.starts, 0);
    const wanted = texts.slice(1).flatMap((_, i) => {
      const together = togetherAt(units, i + 1);
      const isProse = [i, i + 1].every((unit) => isSentence(texts[unit] as string));
      return together === undefined || !isProse ? [] : [{ i, together }];
    });
    const needed = [...new Set(wanted.flatMap(({ i }) => [i, i + 1]))];
    const vectors = await embedTexts(
      embedder,
      needed.map((unit) => texts[unit] as string),
      'passage',
      {},
    );
    const { dimensions, values } = vectors;
    const rows = new Map(
      needed.map((unit, row) => [unit, values.subarray(row * dimensions, (row + 1) * dimensions)]),
    );
    for (const { i, together } of wanted) {
      const [first, second] = [rows.get(i), rows.get(i + 1)];
      if (first && second) pairs.push({ first, second, together });
    }
  }
  return pairs;
}

function togetherAt({ kinds }: Units, unit: number): 0 | 1 | undefined {
  const kind = kinds[unit] as number;
  if (kind <= PARAGRAPH) return 0;
  return kind === SENTENCE ? 1 : undefined;
}

function isSentence(text: string): boolean {
  const letters = text.match(/\p{L}/gu)?.length ?? 0;
  return text.length >= 20 && letters >= 0.6 * text.length && !text.includes('|');
}

/**
 * Pairs of texts in which paragraphs follow each other without a mark: neighbours, which mostly belong together, and for
 * every second of them a sentence and one of another text.
 */
export async function loosePairsOf(
  documents: readonly Document[],
  embedder: Embedder,
  seed: number,
): Promise<Pair[]> {
  const random = seededRandom(seed);
  const texts: Float32Array[][] = [];
  for (const document of documents) {
    const tokenized = await approximateTokens(document);
    const units = await runSteps(unitsOf(tokenized, sentenceTokens), {});
    // The last one may be cut off.
    const sentences = textsOf(tokenized, units.starts, 0).slice(0, -1).filter(isSentence);
    const { dimensions, values } = await embedTexts(embedder, sentences, 'passage', {});
    texts.push(
      sentences.map((_, row) => values.subarray(row * dimensions, (row + 1) * dimensions)),
    );
  }
  const pairs: Pair[] = [];
  for (const [number, sentences] of texts.entries()) {
    for (let i = 0; i + 1 < sentences.length; i++) {
      const first = sentences[i] as Float32Array;
      pairs.push({ first, second: sentences[i + 1] as Float32Array, together: 1 });
      if (i % 2 === 1) continue;
      const away = 1 + seededInteger(random, texts.length - 1);
      const other = texts[(number + away) % texts.length] ?? [];
      const second = other[seededInteger(random, other.length)];
      if (second) pairs.push({ first, second, together: 0 });
    }
  }
  return pairs;
}
