import { InvalidArgumentError } from '../../errors.js';
import { seededInteger, seededRandom } from '../../random.js';
import type { ScoredChunk } from '../../retrieve/retriever.js';
import { assertWhole } from '../numbers.js';
import { SelectionError } from '../selection-error.js';
import { bothEnds, valueAscending } from './plain-orders.js';

export interface FindOrderOptions {
  /**
   * Losses of several orders of the same chunks, lower being better, for example the mean loss of the question's tokens
   * after them.
   */
  readonly loss: (
    orders: readonly (readonly ScoredChunk[])[],
    options: { readonly signal?: AbortSignal },
  ) => Promise<readonly number[]>;
  /** Most orders whose loss is asked; default 32. */
  readonly evaluations?: number;
  /** Orders that are asked for in one call; default 8. */
  readonly batch?: number;
  /** Whole number; default 1. */
  readonly seed?: number;
  readonly signal?: AbortSignal;
}

export interface FoundOrder {
  readonly chunks: readonly ScoredChunk[];
  readonly loss: number;
  /** Of the order that was given. */
  readonly givenLoss: number;
  readonly evaluations: number;
}

/**
 * Looks for the order of lowest loss among some: the given one, both ends first, best last, its reverse, then from the
 * best one on by moving one chunk elsewhere, as long as that helps or the evaluations last. Every order is a prompt of
 * its own: what it gains, a cache that knows the other order may lose.
 *
 * @throws InvalidArgumentError for options outside of their ranges
 * @throws SelectionError where a loss cannot be had
 */
export async function findOrder(
  chunks: readonly ScoredChunk[],
  options: FindOrderOptions,
): Promise<FoundOrder> {
  const { evaluations = 32, batch = 8, seed = 1 } = options;
  assertWhole('findOrder: evaluations', evaluations);
  assertWhole('findOrder: batch', batch);
  assertWhole('findOrder: seed', seed, 0);
  if (new Set(chunks).size !== chunks.length) {
    throw new InvalidArgumentError('findOrder: a chunk is there twice.');
  }
  const search = new OrderSearch(chunks, options, evaluations);
  const all = chunks.map((_, i) => i);
  const placeOf = new Map(chunks.map((chunk, i) => [chunk, i]));
  const places = (order: readonly ScoredChunk[]): number[] =>
    order.map((chunk) => placeOf.get(chunk) as number);
  await search.ask([
    all,
    places(bothEnds(chunks)),
    places(valueAscending(chunks)),
    all.toReversed(),
  ]);
  const random = seededRandom(seed);
  while (search.left > 0) {
    const before = search.best;
    const moves = neighboursOf(before.order, random);
    for (let from = 0; from < moves.length && search.left > 0; from += batch) {
      await search.ask(moves.slice(from, from + batch));
      if (search.best.loss < before.loss) break;
    }
    if (search.best.loss >= before.loss) break;
  }
  const { order, loss } = search.best;
  return {
    chunks: order.map((place) => chunks[place] as ScoredChunk),
    loss,
    givenLoss: search.lossOf(all),
    evaluations: evaluations - search.left,
  };
}

interface RatedOrder {
  readonly order: readonly number[];
  readonly loss: number;
}

class OrderSearch {
  readonly #chunks: readonly ScoredChunk[];
  readonly #options: FindOrderOptions;
  readonly #most: number;
  readonly #losses = new Map<string, number>();
  #best: RatedOrder | undefined;

  constructor(chunks: readonly ScoredChunk[], options: FindOrderOptions, most: number) {
    this.#chunks = chunks;
    this.#options = options;
    this.#most = most;
  }

  get left(): number {
    return this.#most - this.#losses.size;
  }

  get best(): RatedOrder {
    return this.#best as RatedOrder;
  }

  lossOf(order: readonly number[]): number {
    return this.#losses.get(order.join()) as number;
  }

  /** Of equal losses the one asked first stays. */
  async ask(orders: readonly (readonly number[])[]): Promise<void> {
    const { loss, signal } = this.#options;
    signal?.throwIfAborted();
    const open = new Map(
      orders
        .filter((order) => !this.#losses.has(order.join()))
        .map((order) => [order.join(), order]),
    );
    const asked = [...open.values()].slice(0, this.left);
    if (asked.length === 0) return;
    let losses: readonly number[];
    try {
      losses = await loss(
        asked.map((order) => order.map((place) => this.#chunks[place] as ScoredChunk)),
        signal ? { signal } : {},
      );
    } catch (error) {
      signal?.throwIfAborted();
      throw new SelectionError('order search', `the loss of ${asked.length} orders failed.`, {
        cause: error,
      });
    }
    if (losses.length !== asked.length || !losses.every(Number.isFinite)) {
      throw new SelectionError(
        'order search',
        `the loss of ${asked.length} orders gave ${losses.length} numbers [${losses.slice(0, 8).join()}]; it must give one finite number an order.`,
      );
    }
    for (const [i, order] of asked.entries()) {
      const own = losses[i] as number;
      this.#losses.set(order.join(), own);
      if (!this.#best || own < this.#best.loss) this.#best = { order, loss: own };
    }
  }
}

/** Every order that differs by one chunk that stands elsewhere, shuffled. */
function neighboursOf(order: readonly number[], random: () => number): number[][] {
  const moved: number[][] = [];
  for (let from = 0; from < order.length; from++) {
    for (let to = 0; to < order.length; to++) {
      // To the place before is the same as the other one's move to the place behind.
      if (to === from || to === from - 1) continue;
      const next = order.toSpliced(from, 1);
      next.splice(to, 0, order[from] as number);
      moved.push(next);
    }
  }
  for (let i = moved.length - 1; i > 0; i--) {
    const j = seededInteger(random, i + 1);
    [moved[i], moved[j]] = [moved[j] as number[], moved[i] as number[]];
  }
  return moved;
}
