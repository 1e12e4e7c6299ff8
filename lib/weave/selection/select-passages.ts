import { InvalidArgumentError } from '../../errors.js';
import type { ScoredChunk } from '../../retrieve/retriever.js';
import type { CandidateDecision, SelectionPlan } from '../../select/selection-plan.js';
import type { Decision, Selection, Selector, SetCost, SetOrder } from '../../select/selector.js';
import type { WeaveKit } from '../kit.js';
import type { AskOptions, SelectionBudget } from '../options.js';
import { readingOrder } from '../../select/orders/reading-order.js';
import { candidateStates, weaveMilliseconds } from './candidate-states.js';

export interface SelectPassages {
  readonly question: string;
  /** Best first. */
  readonly candidates: readonly ScoredChunk[];
  /** Tokens of each candidate as the prompt counts them. */
  readonly sizes: readonly number[];
  /** Undefined for the best `topK`. */
  readonly selector: Selector | undefined;
  readonly questionTokens: number;
  /** Most tokens that passages can have beside all else of the prompt. */
  readonly room: number;
  readonly options: Pick<AskOptions, 'budget' | 'value' | 'topK' | 'order' | 'policy' | 'signal'>;
}

export interface SelectedPassages {
  /** In the order of the prompt. */
  readonly chosen: readonly ScoredChunk[];
  readonly order: SetOrder;
  readonly plan: SelectionPlan;
}

/**
 * Picks passages among candidates under a budget, with values and costs of this weave; without a selector the best `topK`, told in the same
 * way.
 * @throws what selector, value and cost throw; InvalidArgumentError for a selection that is none.
 */
export async function selectPassages(
  kit: WeaveKit,
  request: SelectPassages,
): Promise<SelectedPassages> {
  const { question, candidates, sizes, selector, options } = request;
  const { value: ownValue, signal, topK = 8 } = options;
  const start = performance.now();
  const chunks = candidates.map(({ chunk }) => chunk);
  const states = await candidateStates(kit, chunks, signal);
  const milliseconds = weaveMilliseconds(kit, states, request.questionTokens, options.policy);
  const tokens = tokensCost(candidates, sizes);
  const order = orderOf(candidates, options.order);
  const { budget, cost } = limitOf(request, { tokens, milliseconds }, order);
  const value = typeof ownValue === 'function' ? ownValue(kit.probe) : (ownValue ?? kit.value);
  const selection = selector
    ? await selector.select({
        question,
        candidates,
        budget,
        cost,
        value,
        order,
        ...(signal && { signal }),
      })
    : bestOf(candidates, topK, cost, order);
  signal?.throwIfAborted();
  checkSelection(selector, selection, candidates);

  const isMeasured = kit.costs.msPerToken !== undefined;
  const places = new Map(selection.chunks.map(({ chunk }, i) => [chunk.id, i + 1]));
  const decisions = new Map(selection.decisions.map((each) => [each.chunkId, each]));
  const plan: SelectionPlan = {
    question,
    selector: selector?.name ?? 'top-k',
    ...(selection.evaluations > 0 && { valuedBy: value.name }),
    ...(selection.value !== undefined && { value: selection.value }),
    unit: cost.unit,
    budget,
    cost: selection.cost,
    tokens: tokens.of(selection.chunks),
    ...(isMeasured && { expectedMs: milliseconds.of(selection.chunks) }),
    evaluations: selection.evaluations,
    stopped: selection.stopped,
    milliseconds: performance.now() - start,
    candidates: candidates.map((hit, i): CandidateDecision => {
      const { chunk, score } = hit;
      const cached = states.get(chunk.id)?.cached;
      const place = places.get(chunk.id);
      return {
        ...(decisions.get(chunk.id) as Decision),
        rank: i + 1,
        documentId: chunk.documentId,
        title: kit.registry.get(chunk.documentId)?.title ?? chunk.documentId,
        score,
        tokens: sizes[i] ?? 0,
        ...(cached && { cached }),
        ...(isMeasured && { expectedMs: milliseconds.of([hit]) }),
        ...(place !== undefined && { place }),
      };
    }),
    ...(selection.tree && { tree: selection.tree }),
  };
  return { chosen: selection.chunks, order, plan };
}

/** What is spent at most, and in what. By default the tokens that the best `topK` would take. */
function limitOf(
  { candidates, sizes, room, options: { budget, topK = 8 } }: SelectPassages,
  costs: { readonly tokens: SetCost; readonly milliseconds: SetCost },
  order: SetOrder,
): { budget: number; cost: SetCost } {
  assertBudget(budget);
  if (budget && 'share' in budget) {
    const best = costs.milliseconds.of(order(candidates.slice(0, topK)));
    return { budget: Math.max(Number.MIN_VALUE, budget.share * best), cost: costs.milliseconds };
  }
  if (budget && 'milliseconds' in budget) {
    return { budget: budget.milliseconds, cost: costs.milliseconds };
  }
  const wanted = budget?.tokens ?? sizes.slice(0, topK).reduce((sum, size) => sum + size, 0);
  return { budget: Math.max(1, Math.min(wanted, room)), cost: costs.tokens };
}

/** @throws InvalidArgumentError */
export function assertBudget(budget: SelectionBudget | undefined): void {
  if (budget === undefined) return;
  const [name, amount] = Object.entries(budget)[0] ?? ['tokens', Number.NaN];
  const isOne =
    Object.keys(budget).length === 1 && ['tokens', 'milliseconds', 'share'].includes(name);
  if (isOne && typeof amount === 'number' && amount > 0 && Number.isFinite(amount)) return;
  throw new InvalidArgumentError(
    `budget is ${JSON.stringify(budget)}; give { tokens }, { milliseconds } or { share } above 0.`,
  );
}

function tokensCost(candidates: readonly ScoredChunk[], sizes: readonly number[]): SetCost {
  const byId = new Map(candidates.map(({ chunk }, i) => [chunk.id, sizes[i] ?? 0]));
  return {
    name: 'tokens',
    unit: 'tokens',
    of: (set) => set.reduce((sum, { chunk }) => sum + (byId.get(chunk.id) ?? 0), 0),
  };
}

/** Whatever order a set comes in: by rank first, so that a set has one layout. */
function orderOf(
  candidates: readonly ScoredChunk[],
  order: 'reading' | 'rank' = 'reading',
): SetOrder {
  const ranks = new Map(candidates.map(({ chunk }, i) => [chunk.id, i]));
  const rankOf = ({ chunk }: ScoredChunk) => ranks.get(chunk.id) ?? candidates.length;
  const byRank: SetOrder = (set) => set.toSorted((a, b) => rankOf(a) - rankOf(b));
  return order === 'rank' ? byRank : (set) => readingOrder(byRank(set));
}

/** What a weave without a selector does, with its reasons. */
function bestOf(
  candidates: readonly ScoredChunk[],
  topK: number,
  cost: SetCost,
  order: SetOrder,
): Selection {
  const chunks = order(candidates.slice(0, topK));
  return {
    chunks,
    cost: cost.of(chunks),
    evaluations: 0,
    stopped: 'done',
    decisions: candidates.map((hit, i) => ({
      chunkId: hit.chunk.id,
      chosen: i < topK,
      reason: i < topK ? `among the best ${topK}` : `not among the best ${topK}`,
      cost: cost.of([hit]),
    })),
  };
}

function checkSelection(
  selector: Selector | undefined,
  { chunks, decisions }: Selection,
  candidates: readonly ScoredChunk[],
): void {
  const left = new Set(candidates.map(({ chunk }) => chunk.id));
  const told = new Set(decisions.map(({ chunkId }) => chunkId));
  const isWhole = candidates.every(({ chunk }) => told.has(chunk.id));
  if (isWhole && chunks.every(({ chunk }) => left.delete(chunk.id))) return;
  throw new InvalidArgumentError(
    `The selector ${selector?.name ?? 'top-k'} chose a passage twice, or one that is no candidate, or did not tell of each candidate.`,
  );
}
