import type { Chunk } from '../../document.js';
import type { WeaveKit } from '../kit.js';
import type { Wanted } from '../kv-library.js';
import type { PlannedWork, WarmTally } from '../warm-tally.js';
import { encodingsOf, type NeighbourMaker } from './neighbour-maker.js';
import type { Neighbours, PlannedPassage } from './neighbours.js';

interface Missing {
  readonly chunk: Chunk;
  readonly own: Wanted;
}

/**
 * Makes KV of passages after their neighbours where there is none yet, in the order given, until the budget is used
 * up. Neighbours are looked for right before the KV is made; the plan goes by how many tokens they usually have.
 */
export class WarmNeighbours {
  readonly #kit: Pick<WeaveKit, 'cells' | 'library' | 'wanted'>;
  readonly #neighbours: Neighbours;
  readonly #maker: NeighbourMaker;
  readonly #chunks: readonly Chunk[];
  readonly #tally: WarmTally;
  readonly #signal: AbortSignal;
  /** Keys of passages that may have variants. */
  #known: ReadonlySet<string> = new Set();
  #next = 0;

  constructor(
    kit: Pick<WeaveKit, 'cells' | 'library' | 'wanted'>,
    parts: { readonly neighbours: Neighbours; readonly maker: NeighbourMaker },
    chunks: readonly Chunk[],
    tally: WarmTally,
    signal: AbortSignal,
  ) {
    this.#kit = kit;
    this.#neighbours = parts.neighbours;
    this.#maker = parts.maker;
    this.#chunks = chunks;
    this.#tally = tally;
    this.#signal = signal;
  }

  async run(): Promise<void> {
    this.#known = await this.#neighbours.known(this.#signal);
    const theirs: PlannedPassage[] = [];
    for (;;) {
      const planned = await this.#plan();
      if (planned.length === 0) break;
      this.#tally.tellEstimate(
        this.#workOf(planned.map(({ own }) => own)),
        this.#workOf(this.#chunks),
      );
      if (!(await this.#makeAll(planned, theirs))) break;
    }
    // What others compute is waited for last.
    for (const passage of theirs) await this.#make(passage, true);
  }

  /** The next passages without KV, as many as the rest of the budget is expected to take. */
  async #plan(): Promise<Missing[]> {
    const planned: Missing[] = [];
    let ms: number | undefined = 0;
    let kept = 0;
    // Until a speed was measured, one passage is planned to find it out.
    while (this.#next < this.#chunks.length && (ms !== undefined || planned.length === 0)) {
      this.#signal.throwIfAborted();
      const chunk = this.#chunks[this.#next] as Chunk;
      const own = await this.#kit.wanted.of(chunk);
      const { length } = own.tokens;
      const expected = this.#maker.expectedMs(this.#neighbours.estimate(length));
      const total: number | undefined = expected === undefined ? undefined : (ms ?? 0) + expected;
      if (!this.#tally.fits(total, kept + length)) break;
      this.#next++;
      // It could never be part of a prompt either.
      if (length > this.#kit.cells.total) continue;
      if (await this.#has(chunk, own)) {
        this.#tally.cached++;
        continue;
      }
      planned.push({ chunk, own });
      ms = total;
      kept += length;
    }
    return planned;
  }

  async #has(chunk: Chunk, { key }: Wanted): Promise<boolean> {
    if (!this.#known.has(key)) return false;
    return (await this.#neighbours.find(chunk, this.#signal)) !== undefined;
  }

  /** False when the budget ended it. */
  async #makeAll(planned: readonly Missing[], theirs: PlannedPassage[]): Promise<boolean> {
    for (const { chunk } of planned) {
      const passage = await this.#neighbours.choose(chunk, this.#signal);
      // One that has neither neighbours nor text before it is what it is right after the prefix.
      if (await this.#kit.library.has(passage.key)) {
        this.#tally.cached++;
        continue;
      }
      const made = await this.#make(passage);
      if (made === undefined) theirs.push(passage);
      if (made === false) return false;
    }
    return true;
  }

  /** False where the budget does not reach that far, undefined where someone else computes it and is not waited for. */
  async #make(passage: PlannedPassage, wait = false): Promise<boolean | undefined> {
    const encodings = encodingsOf(passage);
    const kept = passage.own.tokens.length;
    if (!this.#tally.fits(this.#maker.expectedMs(encodings), kept)) return false;
    const made = await this.#maker.make(passage, { wait, signal: this.#signal });
    if (made === undefined) return undefined;
    if (made) this.#tally.add({ chunks: 1, computed: sumOf(encodings), kept });
    else this.#tally.cached++;
    this.#tally.tellProgress();
    return true;
  }

  #workOf(items: readonly { readonly tokens: Int32Array }[]): PlannedWork {
    let kept = 0;
    let computed = 0;
    let expectedMs: number | undefined = 0;
    for (const { tokens } of items) {
      const encodings = this.#neighbours.estimate(tokens.length);
      const ms = this.#maker.expectedMs(encodings);
      kept += tokens.length;
      computed += sumOf(encodings);
      expectedMs = ms === undefined || expectedMs === undefined ? undefined : expectedMs + ms;
    }
    return { chunks: items.length, computed, kept, expectedMs };
  }
}

function sumOf(counts: readonly number[]): number {
  return counts.reduce((sum, count) => sum + count, 0);
}
