import type { EvaluationQuestion } from '../../lib/evaluate/index.js';
import { bm25Retriever, type Chunk } from '../../lib/index.js';
import { englishStopWords } from '../../lib/retrieve/stop-words.js';
import { termsOf } from '../../lib/retrieve/terms.js';
import { candidateCount, type Instance } from './instances.js';

export interface QuestionInstance extends Instance {
  /** Groups of places of which one each supports the answer. */
  readonly support: readonly (readonly number[])[];
}

/** About 80 tokens: two or three sentences. */
const chunkCharacters = 320;
const charactersPerToken = 4;
/** A term in more of the chunks says little about where one stands. */
const rareShare = 0.1;

const worths = { terms: 0.4, answer: 0.4, hop: 0.8, harm: 0.03 } as const;
/** A chunk that has a term tells it to this degree. */
const told = 0.9;

/**
 * A question as an instance: the data name no supporting passages, so these are made from question and answer. Chunks
 * that have the answer are the ends of a hop; chunks that share a rare term with the question and another one with an
 * end are its bridges. A set is worth the question's terms that it has (by inverse frequency), the answer, and the
 * hop if it is whole; what is neither bridge nor end takes a little away. Tokens are characters over 4.
 *
 * @returns undefined where no candidate has the answer: then nothing can be found
 */
export async function questionInstance(
  { question, answers, documents }: EvaluationQuestion,
  budget: number,
): Promise<QuestionInstance | undefined> {
  const chunks = chunksOf(documents.map(({ text }) => text));
  const retriever = bm25Retriever();
  await retriever.add(chunks);
  const candidates = await retriever.search(question, { k: candidateCount });
  const termSets = new Map(chunks.map(({ id, text }) => [id, new Set(termsOf(text))]));
  const frequency = new Map<string, number>();
  for (const terms of termSets.values()) {
    for (const term of terms) frequency.set(term, (frequency.get(term) ?? 0) + 1);
  }
  const has = (place: number): ReadonlySet<string> =>
    termSets.get(candidates[place]?.chunk.id as string) as ReadonlySet<string>;
  const isRare = (term: string): boolean =>
    !englishStopWords.has(term) && (frequency.get(term) ?? 0) <= rareShare * chunks.length;
  const asked = [...new Set(termsOf(question))].filter((term) => !englishStopWords.has(term));
  const places = candidates.map((_, place) => place);
  const ends = places.filter((place) => {
    const text = ` ${termsOf(candidates[place]?.chunk.text as string).join(' ')} `;
    return answers.some((answer) => text.includes(` ${termsOf(answer).join(' ')} `));
  });
  if (ends.length === 0) return undefined;
  const answerTerms = new Set(answers.flatMap(termsOf));
  const links = new Set(
    ends.flatMap((place) =>
      [...has(place)].filter(
        (term) => isRare(term) && !asked.includes(term) && !answerTerms.has(term),
      ),
    ),
  );
  const bridges = places.filter(
    (place) =>
      !ends.includes(place) &&
      asked.some((term) => isRare(term) && has(place).has(term)) &&
      [...has(place)].some((term) => links.has(term)),
  );
  const weights = asked.map((term) =>
    Math.log(1 + chunks.length / (1 + (frequency.get(term) ?? 0))),
  );
  const all = weights.reduce((sum, weight) => sum + weight, 0);
  return {
    question,
    candidates,
    budget,
    facts: [
      ...asked.map((term, i) => ({
        weight: (worths.terms * (weights[i] as number)) / all,
        told: Float64Array.from(places, (place) => (has(place).has(term) ? told : 0)),
      })),
      {
        weight: worths.answer,
        told: Float64Array.from(places, (place) => (ends.includes(place) ? told : 0)),
      },
    ],
    hops: bridges.length === 0 ? [] : [{ weight: worths.hop, bridges, ends }],
    harm: Float64Array.from(places, (place) =>
      ends.includes(place) || bridges.includes(place) ? 0 : worths.harm,
    ),
    support: bridges.length === 0 ? [ends] : [ends, bridges],
  };
}

/** Sentences of all texts, each once where texts overlap, put together to chunks. */
function chunksOf(texts: readonly string[]): Chunk[] {
  const seen = new Set<string>();
  const chunks: Chunk[] = [];
  let open = '';
  const close = (): void => {
    if (open === '') return;
    chunks.push({
      id: `chunk ${chunks.length}`,
      documentId: 'contexts',
      start: chunks.length,
      end: chunks.length + 1,
      text: open,
      tokens: new Int32Array(Math.ceil(open.length / charactersPerToken)),
      tokenStart: 0,
    });
    open = '';
  };
  for (const text of texts) {
    for (const sentence of text.split(/(?<=[.!?]) /u)) {
      if (seen.has(sentence)) continue;
      seen.add(sentence);
      if (open !== '' && open.length + sentence.length > chunkCharacters) close();
      open = open === '' ? sentence : `${open} ${sentence}`;
    }
    close();
  }
  return chunks;
}
