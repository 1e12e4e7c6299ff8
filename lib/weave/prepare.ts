import type { Chunk } from '../document.js';
import { InvalidArgumentError } from '../errors.js';
import {
  assertLayout,
  assertQuestion,
  fitPrompt,
  joinPrompt,
  type PassageLayout,
  type PromptTokens,
} from '../prompt.js';
import type { ScoredChunk } from '../retrieve/retriever.js';
import type { Source } from './answer.js';
import type { WeaveKit } from './kit.js';
import type { Wanted } from './kv-library.js';
import type { AskOptions } from './options.js';
import { readingOrder } from '../select/orders/reading-order.js';

/** A prompt whose passages are chosen, in its order. */
export interface PreparedPrompt extends PromptTokens {
  readonly hits: readonly ScoredChunk[];
  readonly wanted: readonly Wanted[];
  /** Tokens that the answer may take. */
  readonly answerTokens: number;
  readonly notes: readonly string[];
}

export type PrepareOptions = Pick<
  AskOptions,
  'topK' | 'order' | 'layout' | 'overflow' | 'maxTokens' | 'signal'
>;

/**
 * Retrieves passages and lays out the prompt.
 * @throws ContextOverflowError, InvalidArgumentError, or what the retriever throws.
 */
export async function preparePrompt(
  kit: WeaveKit,
  question: string,
  options: PrepareOptions,
): Promise<PreparedPrompt> {
  const { topK = 8, order = 'reading', overflow = 'drop', maxTokens = 256, signal } = options;
  const { layout: arrangement = 'sequence' } = options;
  assertQuestion(question);
  assertLayout(arrangement);
  assertCount('topK', topK, 0);
  assertCount('maxTokens', maxTokens, 1);
  const signalled = signal ? { signal } : {};
  const { layout, retriever, engine, cells } = kit;

  const asked = layout.question(question, signalled);
  asked.catch(() => {});
  const ranked = topK > 0 ? await retriever.search(question, { k: topK, ...signalled }) : [];
  const questionTokens = await asked;
  const earlier = hasEarlier(arrangement) ? await layout.earlier(question, signalled) : undefined;
  const sizes = await Promise.all(
    ranked.map(async ({ chunk }) => (await kit.wanted.of(chunk)).tokens.length),
  );
  const fit = fitPrompt({
    passages: arrangement === 'twice' ? sizes.map((size) => 2 * size) : sizes,
    fixed: layout.prefix.length + (earlier?.length ?? 0) + questionTokens.length,
    answer: maxTokens,
    available: Math.min(engine.model.contextLength, cells.total),
    overflow,
  });

  const kept = ranked.slice(0, fit.kept);
  const hits = order === 'rank' ? kept : readingOrder(kept);
  const wanted = await Promise.all(
    hits.map(({ chunk }, place) => wantedAt(kit, chunk, arrangement, place, signal)),
  );
  signal?.throwIfAborted();
  const passages = wanted.map((item) => item.tokens);
  const pieces = { prefix: layout.prefix, passages, earlier, question: questionTokens };
  const tokens = joinPrompt(pieces, arrangement);
  const notes = fitNotes(ranked.length, fit.kept, maxTokens, fit.answer);
  return { ...tokens, hits, wanted, answerTokens: fit.answer, notes };
}

function hasEarlier(layout: PassageLayout): boolean {
  return layout === 'twice' || layout === 'around';
}

/** What a passage needs where it stands: in a set all of them stand right after the prefix, and nothing else will do. */
function wantedAt(
  { wanted, encodings }: WeaveKit,
  chunk: Chunk,
  layout: PassageLayout,
  place: number,
  signal: AbortSignal | undefined,
): Promise<Wanted> {
  if (layout === 'set') return wanted.of(chunk);
  return encodings.at(chunk, { first: place === 0 && layout !== 'around', signal });
}

function fitNotes(found: number, kept: number, asked: number, answer: number): string[] {
  const notes: string[] = [];
  if (kept < found) {
    notes.push(
      `${found - kept} of ${found} passages were left out: they do not fit beside the question and ${asked} tokens of answer.`,
    );
  }
  if (answer < asked) notes.push(`There is room for ${answer} tokens of answer, not ${asked}.`);
  return notes;
}

/** Where a passage's keys and values came from. */
export type Origin = Pick<Source, 'cached' | 'encodedAfter'>;

/** @param origin of a passage; by default nothing was cached, or it is not known yet. */
export function sourcesOf(
  kit: Pick<WeaveKit, 'registry'>,
  hits: readonly ScoredChunk[],
  origin: (passage: number) => Origin = () => ({ cached: false }),
): Source[] {
  return hits.map(({ chunk, score }, passage): Source => {
    const document = kit.registry.get(chunk.documentId);
    return {
      number: passage + 1,
      chunkId: chunk.id,
      documentId: chunk.documentId,
      title: document?.title ?? chunk.documentId,
      ...(document?.source !== undefined && { source: document.source }),
      start: chunk.start,
      end: chunk.end,
      text: chunk.text,
      score,
      ...origin(passage),
      ...(chunk.metadata && { metadata: chunk.metadata }),
    };
  });
}

function assertCount(name: string, value: number, least: number): void {
  if (Number.isSafeInteger(value) && value >= least) return;
  throw new InvalidArgumentError(`${name} is ${value}; give a whole number of at least ${least}.`);
}
