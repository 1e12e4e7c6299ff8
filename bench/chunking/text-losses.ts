import { engineLosses, type KvEngine, segmentsOf, type TokenLosses } from '../../lib/index.js';

/**
 * Losses from an engine for texts in another vocabulary: each sentence's tokens get the mean loss of the engine's tokens
 * that begin in the sentence. A text is computed once, however often it is cut; `onComputed` is told each time how many
 * tokens that takes.
 */
export function textLosses(
  engine: KvEngine,
  decode: (ids: Int32Array) => string,
  onComputed: (tokens: number) => void = () => {},
): TokenLosses {
  const source = engineLosses({ engine });
  const known = new Map<string, Promise<SentenceMeans>>();
  return {
    fingerprint: source.fingerprint,
    lossesOf: async (ids, sentences) => {
      const texts = sentences.map(({ start, end }) => decode(ids.subarray(start, end)));
      const text = texts.join('');
      const key = JSON.stringify(texts.map(({ length }) => length)) + text;
      const means = known.get(key) ?? sentenceMeans(engine, source, texts);
      known.set(key, means);
      const losses = new Float32Array(ids.length);
      const { values, computed } = await means;
      onComputed(computed);
      for (const [i, { start, end }] of sentences.entries()) {
        losses.fill(values[i] as number, start, end);
      }
      return losses;
    },
  };
}

interface SentenceMeans {
  readonly values: Float64Array;
  readonly computed: number;
}

async function sentenceMeans(
  { tokenizer }: KvEngine,
  source: TokenLosses,
  texts: readonly string[],
): Promise<SentenceMeans> {
  const { ids, starts } = await tokenizer.encode(texts.join(''));
  const spans: { start: number; end: number }[] = [];
  // Several sentences may begin in one token, but each token belongs to one.
  const means = new Float64Array(texts.length).fill(NaN);
  const owners: number[] = [];
  let token = 0;
  let end = 0;
  for (const [i, { length }] of texts.entries()) {
    end += length;
    const start = token;
    while (token < ids.length && (starts[token] as number) < end) token++;
    if (token === start) continue;
    spans.push({ start, end: token });
    owners.push(i);
  }
  const losses = await source.lossesOf(ids, spans);
  for (const [i, { start, end: to }] of spans.entries()) {
    const own = losses.subarray(start, to).filter((loss) => !Number.isNaN(loss));
    means[owners[i] as number] = own.reduce((sum, loss) => sum + loss, 0) / own.length;
  }
  const computed = segmentsOf(ids, spans).reduce(
    (sum, { tokens: { start, end: to } }) => sum + to - start,
    0,
  );
  return { values: means, computed };
}
