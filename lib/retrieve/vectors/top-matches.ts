import TinyQueue from 'tinyqueue';
import type { Steps } from '../../pace.js';
import type { VectorMatch } from '../vector-index.js';
import { compareTexts } from '../filter.js';

/** The best `k` of many matches, of which most are not worth an object. */
export class TopMatches {
  readonly #k: number;
  /** The worst one first. */
  readonly #queue = new TinyQueue<VectorMatch>([], (a, b) => -byScoreThenId(a, b));

  constructor(k: number) {
    this.#k = k;
  }

  wants(score: number, id: string): boolean {
    if (this.#queue.length < this.#k) return true;
    const worst = this.#queue.peek() as VectorMatch;
    return score > worst.score || (score === worst.score && compareTexts(id, worst.id) < 0);
  }

  put(match: VectorMatch): void {
    this.#queue.push(match);
    if (this.#queue.length > this.#k) this.#queue.pop();
  }

  /** Takes them out, the best one first, and each id once: an entry may have been seen before and after a change. */
  *take(): Steps<VectorMatch[]> {
    const matches: VectorMatch[] = [];
    for (let match = this.#queue.pop(); match; match = this.#queue.pop()) {
      matches.push(match);
      yield 1;
    }
    const seen = new Set<string>();
    return matches.toReversed().filter(({ id }) => !seen.has(id) && seen.add(id));
  }
}

/** For `sort`: the best one first. */
export function byScoreThenId(a: VectorMatch, b: VectorMatch): number {
  return b.score - a.score || compareTexts(a.id, b.id);
}
