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
import type { SelectionPlan } from '../select/selection-plan.js';
import type { Source } from './answer.js';
import type { WeaveKit } from './kit.js';
import type { Wanted } from './kv-library.js';
import type { AskOptions } from './options.js';
import { readingOrder } from '../select/orders/reading-order.js';
import { cacheAwareSelector } from '../select/selectors/cache-aware.js';
import { assertBudget, selectPassages } from './selection/select-passages.js';

/** A prompt whose passages are chosen, in its order. */
export interface PreparedPrompt extends PromptTokens {
  readonly hits: readonly ScoredChunk[];
  readonly wanted: readonly Wanted[];
  /** Tokens that the answer may take. */
  readonly answerTokens: number;
  readonly notes: readonly string[];
  /** Why these passages; where a selector chose them, or it was asked for. */
  readonly selection?: SelectionPlan;
}

/** What decides which passages stand in a prompt, and how. */
export type PromptChoices = Pick<
  AskOptions,
  | 'topK'
  | 'selector'
  | 'retrieve'
  | 'budget'
  | 'value'
  | 'reranker'
  | 'order'
  | 'layout'
  | 'overflow'
  | 'maxTokens'
  | 'signal'
>;

export interface PrepareOptions extends PromptChoices, Pick<AskOptions, 'policy'> {
  /** Tell why these passages, also where no selector chose them. */
  readonly explain?: boolean;
}

/**
 * Retrieves passages, picks those that go into the prompt and lays it out.
 * @throws ContextOverflowError, InvalidArgumentError, or what retriever, reranker and selector throw.
 */
export async function preparePrompt(
  kit: WeaveKit,
  question: string,
  options: PrepareOptions,
): Promise<PreparedPrompt> {
  const { topK = 8, order = 'reading', overflow = 'drop', maxTokens = 256, signal } = options;
  const { layout: arrangement = 'sequence', retrieve = 20 } = options;
  assertQuestion(question);
  assertLayout(arrangement);
  assertCount('topK', topK, 0);
  assertCount('maxTokens', maxTokens, 1);
  assertCount('retrieve', retrieve, 1);
  assertBudget(options.budget);
  const signalled = signal ? { signal } : {};
  const { layout, retriever, engine, cells } = kit;

  const asked = layout.question(question, signalled);
  asked.catch(() => {});
  const { explain = false } = options;
  const chooser = options.selector ?? kit.selector;
  const isCacheAware = chooser === 'cache-aware';
  const named = isCacheAware ? cacheAwareSelector() : chooser;
  const selector = named === 'top-k' ? undefined : named;
  const picks = selector !== undefined || explain;
  const k = picks || options.reranker ? Math.max(topK, retrieve) : topK;
  const found = topK > 0 ? await retriever.search(question, { k, ...signalled }) : [];
  const candidates = await reranked(kit, question, found, options);
  const questionTokens = await asked;
  const earlier = hasEarlier(arrangement) ? await layout.earlier(question, signalled) : undefined;
  const copies = arrangement === 'twice' ? 2 : 1;
  const sizes = await Promise.all(
    candidates.map(async ({ chunk }) => copies * (await kit.wanted.of(chunk)).tokens.length),
  );
  const fixed = layout.prefix.length + (earlier?.length ?? 0) + questionTokens.length;
  const available = Math.min(engine.model.contextLength, cells.total);
  const selected =
    picks && candidates.length > 0
      ? await selectPassages(kit, {
          question,
          candidates,
          sizes,
          selector,
          questionTokens: questionTokens.length,
          // What overflows is dropped or refused below: the best passage always has its chance.
          room:
            overflow === 'drop' ? Math.max(sizes[0] ?? 0, available - fixed - maxTokens) : Infinity,
          options: isCacheAware && !options.budget ? { ...options, budget: { share: 1 } } : options,
        })
      : undefined;
  const places = placesOfChosen(candidates, selected?.chosen ?? candidates.slice(0, topK));
  const fit = fitPrompt({
    passages: places.map((place) => sizes[place] ?? 0),
    fixed,
    answer: maxTokens,
    available,
    overflow,
  });

  const kept = places.slice(0, fit.kept).map((place) => candidates[place] as ScoredChunk);
  const isWhole = selected !== undefined && kept.length === selected.chosen.length;
  const arranged = order === 'rank' ? kept : readingOrder(kept);
  // A selector may have an order of its own.
  const hits = isWhole ? [...selected.chosen] : arranged;
  const wanted = await wantedIn(kit, hits, arrangement, signal);
  signal?.throwIfAborted();
  const passages = wanted.map((item) => item.tokens);
  const pieces = { prefix: layout.prefix, passages, earlier, question: questionTokens };
  const tokens = joinPrompt(pieces, arrangement);
  const notes = fitNotes(places.length, fit.kept, maxTokens, fit.answer);
  if (selected && hits.length === 0) {
    const { budget, unit } = selected.plan;
    notes.push(`No passage fits a budget of ${Math.round(budget)} ${unit}.`);
  }
  const selection = selected && keptOnly(selected.plan, hits);
  return {
    ...tokens,
    hits,
    wanted,
    answerTokens: fit.answer,
    notes,
    ...(selection && { selection }),
  };
}

async function reranked(
  { probe }: WeaveKit,
  question: string,
  found: readonly ScoredChunk[],
  { reranker: given, signal }: PrepareOptions,
): Promise<readonly ScoredChunk[]> {
  if (!given || found.length === 0) return found;
  const reranker = typeof given === 'function' ? given(probe) : given;
  return reranker.rerank({
    question,
    candidates: found,
    k: found.length,
    ...(signal && { signal }),
  });
}

/** Numbers of the chosen among the candidates, best first: the order in which they are dropped where they do not fit. */
function placesOfChosen(
  candidates: readonly ScoredChunk[],
  chosen: readonly ScoredChunk[],
): number[] {
  const ids = new Set(chosen.map(({ chunk }) => chunk.id));
  return [...candidates.keys()].filter((i) => ids.has(candidates[i]?.chunk.id ?? ''));
}

/** A plan tells what stands in the prompt, also where not all that was chosen fits. */
function keptOnly(plan: SelectionPlan, hits: readonly ScoredChunk[]): SelectionPlan {
  const places = new Map(hits.map(({ chunk }, i) => [chunk.id, i + 1]));
  const candidates = plan.candidates.map((candidate) => {
    if (!candidate.chosen) return candidate;
    const { place: _, ...rest } = candidate;
    const place = places.get(candidate.chunkId);
    if (place !== undefined) return { ...rest, place };
    return { ...rest, chosen: false, reason: 'chosen, but it does not fit beside the answer' };
  });
  const tokens = candidates.reduce((sum, each) => sum + (each.chosen ? each.tokens : 0), 0);
  return { ...plan, tokens, candidates };
}

function hasEarlier(layout: PassageLayout): boolean {
  return layout === 'twice' || layout === 'around';
}

/** What passages need where they stand: in a set all of them stand right after the prefix, and nothing else will do. */
function wantedIn(
  { wanted, encodings }: WeaveKit,
  hits: readonly ScoredChunk[],
  layout: PassageLayout,
  signal: AbortSignal | undefined,
): Promise<Wanted[]> {
  if (layout === 'set') return Promise.all(hits.map(({ chunk }) => wanted.of(chunk)));
  const places = hits.map(({ chunk }, i) => ({ chunk, first: i === 0 && layout !== 'around' }));
  return encodings.at(places, signal);
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
