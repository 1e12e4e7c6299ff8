import type { Chunk } from '../../document.js';
import type { PlannedWork, WarmTally, WarmWork } from '../warm-tally.js';
import type { PlannedSegment } from './document-plan.js';
import type { DocumentPlans } from './document-plans.js';
import type { SegmentMaker } from './segment-maker.js';

/** Segments in the order of the first of their passages, and passages that are in none that can be computed. */
export async function inSegments(
  plans: DocumentPlans,
  chunks: readonly Chunk[],
  signal: AbortSignal,
): Promise<{ readonly segments: readonly PlannedSegment[]; readonly loose: readonly Chunk[] }> {
  const segments = new Set<PlannedSegment>();
  const loose: Chunk[] = [];
  for (const chunk of chunks) {
    signal.throwIfAborted();
    const planned = await plans.find(chunk);
    if (planned?.segment) segments.add(planned.segment);
    else loose.push(chunk);
  }
  return { segments: [...segments], loose };
}

/** A segment, and the tokens of those of its passages that are missing. */
interface Missing {
  readonly segment: PlannedSegment;
  readonly work: WarmWork;
}

/**
 * Makes KV of segments that is not there yet, in the order given, within the budget. A segment that would not end in
 * time is passed over, and with it all that are as long; shorter ones may still fit.
 */
export class WarmSegments {
  readonly #maker: SegmentMaker;
  readonly #segments: readonly PlannedSegment[];
  readonly #tally: WarmTally;
  readonly #signal: AbortSignal;
  #next = 0;
  /** Tokens of the shortest segment that was passed over. */
  #tooLong = Infinity;

  constructor(
    maker: SegmentMaker,
    segments: readonly PlannedSegment[],
    tally: WarmTally,
    signal: AbortSignal,
  ) {
    this.#maker = maker;
    this.#segments = segments;
    this.#tally = tally;
    this.#signal = signal;
  }

  async run(): Promise<void> {
    for (;;) {
      const planned = await this.#plan();
      if (planned.length === 0) return;
      this.#tellEstimate(planned);
      const theirs: Missing[] = [];
      for (const missing of planned) if (!(await this.#make(missing))) theirs.push(missing);
      // What others compute is waited for last.
      for (const missing of theirs) await this.#make(missing, true);
    }
  }

  /** The next segments of which something is missing, as many as the rest of the budget is expected to take. */
  async #plan(): Promise<Missing[]> {
    const planned: Missing[] = [];
    let ms: number | undefined = 0;
    let kept = 0;
    // Until a speed was measured, one segment is planned to find it out.
    while (this.#next < this.#segments.length && (ms !== undefined || planned.length === 0)) {
      this.#signal.throwIfAborted();
      const segment = this.#segments[this.#next] as PlannedSegment;
      const work = segment.tokens < this.#tooLong ? await this.#missing(segment) : undefined;
      if (!work || work.chunks === 0) {
        this.#next++;
        continue;
      }
      const expected = this.#maker.expectedMs(segment);
      const total: number | undefined = expected === undefined ? undefined : (ms ?? 0) + expected;
      const fits = this.#tally.fits(total, kept + work.kept);
      if (!fits && planned.length > 0) break;
      this.#next++;
      this.#tally.cached += segment.chunks.size - work.chunks;
      if (!fits) {
        this.#tooLong = segment.tokens;
        continue;
      }
      planned.push({ segment, work });
      ms = total;
      kept += work.kept;
    }
    return planned;
  }

  /** Counts the passages of a segment as cached when all are there. */
  async #missing(segment: PlannedSegment): Promise<WarmWork> {
    const missing = await this.#maker.missing(segment);
    let kept = 0;
    for (const { own } of missing) kept += own.tokens.length;
    if (missing.size === 0) this.#tally.cached += segment.chunks.size;
    return { chunks: missing.size, computed: segment.tokens, kept };
  }

  /** False where someone else computes it and is not waited for. */
  async #make({ segment, work }: Missing, wait = false): Promise<boolean> {
    // Those before it may have taken longer than expected.
    if (!this.#tally.fits(this.#maker.expectedMs(segment), work.kept)) {
      this.#tooLong = Math.min(this.#tooLong, segment.tokens);
      return true;
    }
    const made = await this.#maker.make(segment, { wait, signal: this.#signal });
    if (!made) return false;
    let kept = 0;
    for (const { own } of made.chunks) kept += own.tokens.length;
    this.#tally.cached += work.chunks - made.chunks.length;
    this.#tally.add({ chunks: made.chunks.length, computed: made.computed, kept });
    this.#tally.tellProgress();
    return true;
  }

  #tellEstimate(planned: readonly Missing[]): void {
    const all = this.#segments.map((segment): Missing => {
      let kept = 0;
      for (const { own } of segment.chunks.values()) kept += own.tokens.length;
      return { segment, work: { chunks: segment.chunks.size, computed: segment.tokens, kept } };
    });
    this.#tally.tellEstimate(this.#sum(planned), this.#sum(all));
  }

  #sum(list: readonly Missing[]): PlannedWork {
    const sum = { chunks: 0, computed: 0, kept: 0 };
    let expectedMs: number | undefined = 0;
    for (const { segment, work } of list) {
      sum.chunks += work.chunks;
      sum.computed += work.computed;
      sum.kept += work.kept;
      const ms = this.#maker.expectedMs(segment);
      expectedMs = ms === undefined ? undefined : (expectedMs ?? 0) + ms;
    }
    return { ...sum, expectedMs };
  }
}
