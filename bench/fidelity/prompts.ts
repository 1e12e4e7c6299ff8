import { halfOf, type EvaluationQuestion } from '../../lib/evaluate/index.js';
import {
  bm25Retriever,
  type Chunk,
  chunkDocument,
  type KvEngine,
  recursiveChunker,
} from '../../lib/index.js';
import { seededInteger, seededRandom } from '../../lib/random.js';
import type { PromptLayout } from '../../lib/prompt.js';
import { type SortProbe, sortProbe } from './sort.js';

/** A prompt as token ids, and what its passages were cut out of. */
export interface FidelityCase {
  readonly id: string;
  readonly question: string;
  readonly pieces: readonly Piece[];
  readonly ask: Int32Array;
  /** The question where it stands before passages, for layouts that have it there. */
  readonly earlier: Int32Array;
  /** First tokens of a right answer. */
  readonly answer: Int32Array;
  readonly answers: readonly string[];
  /** A passage's predecessor in its document stands in the prompt as well. */
  readonly holdsPredecessor: boolean;
  /** Asks for the order of passages, where that is wanted. */
  readonly sort?: SortProbe;
}

export interface Piece {
  readonly chunk: Chunk;
  /** As they stand in the prompt. */
  readonly tokens: Int32Array;
  /** All passages of its document as they would stand in a prompt, one after another, and its number among them. */
  readonly document: readonly Int32Array[];
  readonly number: number;
  /** Passages of its corpus that are most like it, itself left out, best first. */
  readonly neighbours: readonly Int32Array[];
}

/** How many neighbours are looked for. */
const neighbourCount = 4;

export interface PromptSettings {
  readonly pieces: number;
  readonly pieceTokens: number;
  readonly answerTokens: number;
  readonly half: 'search' | 'held-out' | 'all';
  readonly limit: number;
  readonly seed: number;
  /** Pairs of passages whose order is asked for; default none. */
  readonly sort?: { readonly pairs: number; readonly layout: PromptLayout };
}

/**
 * Retrieves passages for each question, in an order that the seed gives. Questions for which fewer than half of the
 * passages are found are left out; what the model cannot hold is refused, never cut.
 */
export async function fidelityCases(
  engine: KvEngine,
  layout: PromptLayout,
  cases: readonly EvaluationQuestion[],
  settings: PromptSettings,
): Promise<FidelityCase[]> {
  const corpora = new Map<string, Awaited<ReturnType<typeof indexCorpus>>>();
  const made: FidelityCase[] = [];
  const chosen = shuffled(cases, settings.seed).filter(
    ({ question }) => settings.half === 'all' || halfOf(question) === settings.half,
  );
  for (const { id, question, answers, corpus, documents } of chosen) {
    if (made.length >= settings.limit) break;
    const index = corpora.get(corpus) ?? (await indexCorpus(engine, documents, settings));
    corpora.set(corpus, index);
    const hits = await index.retriever.search(question, { k: settings.pieces });
    if (hits.length * 2 < settings.pieces) continue;
    const chunks = shuffled(
      hits.map(({ chunk }) => chunk),
      settings.seed + made.length + 1,
    );
    const pieces: Piece[] = [];
    for (const chunk of chunks) {
      const near = await index.retriever.search(chunk.text, { k: neighbourCount + 1 });
      const all = index.chunks.get(chunk.documentId) ?? [];
      pieces.push({
        chunk,
        tokens: layout.passage(chunk),
        document: all.map((one) => layout.passage(one)),
        number: all.findIndex((one) => one.id === chunk.id),
        neighbours: near
          .filter((hit) => hit.chunk.id !== chunk.id)
          .slice(0, neighbourCount)
          .map((hit) => layout.passage(hit.chunk)),
      });
    }
    const gold = await engine.tokenizer.encode(` ${answers[0] ?? ''}`);
    const answer = gold.ids.slice(0, settings.answerTokens);
    if (answer.length === 0) continue;
    const places = new Set(pieces.map((piece) => `${piece.chunk.documentId} ${piece.number}`));
    const holdsPredecessor = pieces.some((piece) =>
      places.has(`${piece.chunk.documentId} ${piece.number - 1}`),
    );
    const ask = await layout.question(question);
    const earlier = await layout.earlier(question);
    const { sort: asked } = settings;
    const seed = settings.seed + made.length + 1;
    const sort =
      asked && (await sortProbe(engine, asked.layout, chunks, { pairs: asked.pairs, seed }));
    made.push({
      id,
      question,
      pieces,
      ask,
      earlier,
      answer,
      answers,
      holdsPredecessor,
      ...(sort && { sort }),
    });
  }
  return made;
}

async function indexCorpus(
  engine: KvEngine,
  documents: EvaluationQuestion['documents'],
  { pieceTokens }: PromptSettings,
) {
  const retriever = bm25Retriever();
  const chunker = recursiveChunker({ maxTokens: pieceTokens });
  const chunks = new Map<string, readonly Chunk[]>();
  for (const document of documents) {
    const cut = await chunkDocument(document, { tokenizer: engine.tokenizer, chunker });
    chunks.set(document.id, cut);
    await retriever.add(cut);
  }
  return { retriever, chunks };
}

function shuffled<T>(items: readonly T[], seed: number): T[] {
  const random = seededRandom(seed);
  const list = [...items];
  for (let i = list.length - 1; i > 0; i--) {
    const j = seededInteger(random, i + 1);
    [list[i], list[j]] = [list[j] as T, list[i] as T];
  }
  return list;
}
