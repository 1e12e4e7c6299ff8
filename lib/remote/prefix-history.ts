import { InvalidArgumentError } from '../errors.js';

/** A passage as far as its place in a prompt is concerned. */
export interface PlacedPassage {
  /** Equal ids are equal text. */
  readonly id: string;
  /** Length in tokens, or in any other unit that is the same for all. */
  readonly length: number;
}

export interface PassageOrder {
  /** Numbers of the given passages, in the order of the prompt. */
  readonly order: readonly number[];
  /** How many of the first are the beginning of an earlier prompt. */
  readonly shared: number;
  /** Their length. */
  readonly sharedLength: number;
}

export interface PrefixHistoryOptions {
  /** Earlier prompts that count; default 1,000. Take fewer where the server keeps fewer. */
  readonly window?: number;
}

/** Paths are followed by recursion. */
const mostPassages = 1000;

interface Node {
  readonly children: Map<string, Node>;
  /** Prompts of the window that pass here. */
  count: number;
}

/**
 * What prompts began with, as a trie of passages, and the order that lets a new prompt begin as one of them did. A server that
 * caches prefixes then computes the common beginning once.
 */
export class PrefixHistory {
  readonly #window: number;
  readonly #root: Node = { children: new Map(), count: 0 };
  readonly #prompts: (readonly string[])[] = [];
  readonly #uses = new Map<string, number>();

  /** @throws InvalidArgumentError for a window that is no whole number of at least 1. */
  constructor({ window = 1000 }: PrefixHistoryOptions = {}) {
    if (!Number.isInteger(window) || window < 1) {
      throw new InvalidArgumentError(`window must be a whole number of at least 1, not ${window}.`);
    }
    this.#window = window;
  }

  /** Prompts that count now. */
  get size(): number {
    return this.#prompts.length;
  }

  /**
   * The order of a set of passages: first the longest beginning of an earlier prompt that is made of them alone, then the
   * others, those of more prompts first. No other order of the set shares a longer beginning with the history. The order in
   * which the passages are given means nothing.
   *
   * @throws InvalidArgumentError for two passages with one id, a length that is no number of at least 0, or more than 1,000
   * passages.
   */
  order(passages: readonly PlacedPassage[]): PassageOrder {
    if (passages.length > mostPassages) {
      throw new InvalidArgumentError(
        `A prompt of ${passages.length} passages is not ordered; ${mostPassages} are the most. Retrieve fewer, or let a selector choose.`,
      );
    }
    const numbers = new Map<string, number>();
    for (const [i, { id, length }] of passages.entries()) {
      if (numbers.has(id)) throw new InvalidArgumentError(`The passage "${id}" is given twice.`);
      if (!(length >= 0 && length < Infinity)) {
        throw new InvalidArgumentError(`The passage "${id}" has the length ${length}.`);
      }
      numbers.set(id, i);
    }
    const lengthOf = (id: string) => (passages[numbers.get(id) as number] as PlacedPassage).length;
    const path = longestPath(this.#root, new Set(numbers.keys()), lengthOf).ids;
    const taken = new Set(path);
    const rest = [...numbers.keys()].filter((id) => !taken.has(id));
    rest.sort((a, b) => (this.#uses.get(b) ?? 0) - (this.#uses.get(a) ?? 0) || (a < b ? -1 : 1));
    return {
      order: [...path, ...rest].map((id) => numbers.get(id) as number),
      shared: path.length,
      sharedLength: path.reduce((sum, id) => sum + lengthOf(id), 0),
    };
  }

  /** How many of the first passages of a prompt are the beginning of an earlier one. */
  sharedWith(ids: readonly string[]): number {
    let node = this.#root;
    for (const [depth, id] of ids.entries()) {
      const next = node.children.get(id);
      if (!next) return depth;
      node = next;
    }
    return ids.length;
  }

  /** Takes in the passages of a prompt that was sent, in their order there. The oldest prompt beyond the window is forgotten. */
  record(ids: readonly string[]): void {
    this.#count(ids, 1);
    this.#prompts.push([...ids]);
    if (this.#prompts.length > this.#window) this.#count(this.#prompts.shift() ?? [], -1);
  }

  /** The prompts that count, oldest first; {@link PrefixHistory.record} takes them in again. */
  toJSON(): readonly (readonly string[])[] {
    return this.#prompts;
  }

  #count(ids: readonly string[], by: 1 | -1): void {
    let node = this.#root;
    for (const id of ids) {
      let next = node.children.get(id);
      if (!next) {
        next = { children: new Map(), count: 0 };
        node.children.set(id, next);
      }
      next.count += by;
      if (next.count === 0) node.children.delete(id);
      node = next;
    }
    for (const id of new Set(ids)) {
      const uses = (this.#uses.get(id) ?? 0) + by;
      if (uses === 0) this.#uses.delete(id);
      else this.#uses.set(id, uses);
    }
  }
}

interface Path {
  readonly ids: readonly string[];
  readonly length: number;
  /** Prompts that go all the way. */
  readonly count: number;
}

/** The longest path of passages of the set; of equal ones that of more prompts, then the first by ids. */
function longestPath(node: Node, set: Set<string>, lengthOf: (id: string) => number): Path {
  let best: Path = { ids: [], length: 0, count: node.count };
  const ids = set.size < node.children.size ? [...set] : [...node.children.keys()];
  for (const id of ids.sort()) {
    const child = node.children.get(id);
    if (!child || !set.has(id)) continue;
    set.delete(id);
    const rest = longestPath(child, set, lengthOf);
    set.add(id);
    const path = { ids: [id, ...rest.ids], length: lengthOf(id) + rest.length, count: rest.count };
    const isLonger =
      path.length > best.length ||
      (path.length === best.length &&
        (best.ids.length === 0 || path.ids.length > best.ids.length || path.count > best.count));
    if (isLonger) best = path;
  }
  return best;
}
