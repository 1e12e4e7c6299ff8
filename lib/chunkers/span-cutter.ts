import { part, type Steps } from '../pace.js';
import { anchorsAmong } from './anchors.js';
import type { BorderMap } from './border-map.js';
import { NEWLINE, classAt, classBefore } from './characters.js';
import { refuseUncuttable } from './limits.js';

/** What is being put together. */
interface Run {
  start: number;
  /** What is gathered so far reaches to this border, */
  gathered: number;
  /** and without trailing blanks to here. */
  gatheredEnd: number;
}

/**
 * Cuts a run of tokens into spans of at most `max` tokens: at the strongest borders first, neighbours joined
 * while they fit, and a piece that is too long by itself cut again at the next weaker borders. Each strength
 * looks at every token at most about once, so the time is linear.
 */
export class SpanCutter {
  readonly #borders: BorderMap;
  readonly #min: number;
  readonly #max: number;
  readonly #spans: number[] = [];
  /** Borders better than those between words, and the end of the tokens. */
  #strong: Int32Array = new Int32Array(0);
  /** End of the content before each of them. */
  #strongEnds: Int32Array = new Int32Array(0);
  #ticks = 0;

  /** Anchors are better than all borders within so many tokens; 0 for no anchors. */
  readonly #reach: number;

  constructor(borders: BorderMap, min: number, max: number, reach = 0) {
    this.#borders = borders;
    this.#min = min;
    this.#max = max;
    this.#reach = reach;
  }

  /** Token spans, `start, end, start, end, ...`; none blank. Call once. */
  *cut(): Steps<number[]> {
    const { size } = this.#borders;
    const strong = yield* part(this.#borders.strong(), 0, 0.3);
    this.#strong = strong.tokens;
    this.#strongEnds = strong.ends;
    const anchors =
      this.#reach > 0 ? yield* anchorsAmong(this.#borders, strong.tokens, this.#reach) : [];
    let from = 0;
    for (const to of [...anchors, size]) {
      const first = this.#spans.length;
      const open = yield* this.#cutRun(from, to, 0);
      if (open < to) {
        const end = yield* this.#contentEnd(open, to);
        if (end > open) this.#spans.push(open, end);
      }
      yield* this.#balanceTail(first);
      from = to;
    }
    return this.#spans;
  }

  /** Number of the first strong border behind `token`. */
  #strongBehind(token: number): number {
    const strong = this.#strong;
    let low = 0;
    let high = strong.length;
    while (low < high) {
      const middle = (low + high) >> 1;
      if ((strong[middle] as number) <= token) low = middle + 1;
      else high = middle;
    }
    return low;
  }

  /** Cuts `[from, to)`. Its last span stays open for what follows: returns where that one starts. */
  *#cutRun(from: number, to: number, strength: number): Steps<number> {
    const borders = this.#borders;
    const run = { start: yield* this.#skipLeading(from, to), gathered: 0, gatheredEnd: 0 };
    run.gathered = run.start;
    run.gatheredEnd = run.start;
    if (strength < borders.word) {
      for (let k = this.#strongBehind(run.start); k < this.#strong.length; k++) {
        if (this.#isDue()) yield 0.3 + (0.7 * run.start) / borders.size;
        const i = this.#strong[k] as number;
        if (i > to) break;
        if (i < to && borders.strength(i) > strength) continue;
        yield* this.#gather(run, i, this.#strongEnds[k] as number, strength);
      }
      return run.start;
    }
    let unit = run.start;
    let end = run.start;
    for (let i = run.start + 1; i <= to; i++) {
      if (this.#isDue()) yield 0.3 + (0.7 * i) / borders.size;
      if (!borders.isBorder(i)) continue;
      if (!borders.isBlank(unit)) end = i;
      unit = i;
      if (i < to && borders.strength(i) > strength) continue;
      yield* this.#gather(run, i, end, strength);
    }
    return run.start;
  }

  /** Takes a run on to the border `i`, before which content ends at `end`, and cuts it where it is too long. */
  *#gather(run: Run, i: number, end: number, strength: number): Steps<void> {
    const borders = this.#borders;
    if (end - run.start > this.#max) {
      // No word is cut for the sake of a size.
      const enough = run.gatheredEnd - run.start >= this.#min || strength > borders.word;
      if (run.gatheredEnd > run.start && enough) {
        this.#spans.push(run.start, run.gatheredEnd);
        run.start = yield* this.#skipLeading(run.gathered, i);
      } else if (run.gatheredEnd <= run.start && strength >= borders.word) {
        // Nothing but indentation was gathered, and it leaves no room for a word.
        run.start = run.gathered;
      }
      if (end - run.start > this.#max) {
        if (strength === borders.weakest) {
          refuseUncuttable(end - run.start, borders.start(run.start), this.#max);
        }
        run.start = yield* this.#cutRun(run.start, i, strength + 1);
      }
    }
    run.gathered = i;
    run.gatheredEnd = end;
  }

  /** Evens out a last span that is too short with the one before, if that is not before `first`, at the best border that leaves both sides long enough. */
  *#balanceTail(first: number): Steps<void> {
    const spans = this.#spans;
    const [start = 0, , lastStart = 0, end = 0] = spans.slice(-4);
    if (spans.length - first < 4 || end - lastStart >= this.#min) return;
    if (end - start <= this.#max) {
      spans.splice(-4, 4, start, end);
      return;
    }
    const middle = (start + end) / 2;
    let best = -1;
    for (let i = end - this.#max; i <= start + this.#max; i++) {
      const strength = this.#borders.strength(i);
      if (i - start < this.#min || end - i < this.#min || strength > this.#borders.word) continue;
      const known = best < 0 ? Infinity : this.#borders.strength(best);
      const nearer = Math.abs(i - middle) < Math.abs(best - middle);
      if (strength < known || (strength === known && nearer)) best = i;
    }
    if (best < 0) return;
    const firstEnd = yield* this.#contentEnd(start, best);
    const secondStart = yield* this.#skipLeading(best, end);
    if (firstEnd > start && secondStart < end)
      spans.splice(-4, 4, start, firstEnd, secondStart, end);
  }

  /** End of the last border-to-border unit of `[from, to)` that is not blank; `from` where all are. */
  *#contentEnd(from: number, to: number): Steps<number> {
    let end = from;
    for (let unit = from; unit < to;) {
      const next = this.#borders.nextBorder(unit);
      if (!this.#borders.isBlank(unit)) end = next;
      unit = next;
      if (this.#isDue()) yield unit / this.#borders.size;
    }
    return end;
  }

  /** The first unit of `[from, to)` that is not blank, or `to`. */
  *#firstContent(from: number, to: number): Steps<number> {
    const borders = this.#borders;
    let unit = from;
    while (unit < to && borders.isBlank(unit)) {
      unit = borders.nextBorder(unit);
      if (this.#isDue()) yield unit / borders.size;
    }
    // A token may hold the second half of what ends a line and a word.
    while (unit > from && unit < to && borders.strength(unit) >= borders.weakest) unit--;
    return unit;
  }

  /** Skips blanks before a span, except the indentation of its first line, which code needs. */
  *#skipLeading(from: number, to: number): Steps<number> {
    const borders = this.#borders;
    const content = yield* this.#firstContent(from, to);
    if (content === from || content >= to) return content;
    let start = from;
    let lineStart = isLineStart(borders.text, borders.start(from));
    for (let unit = from; unit < content;) {
      const next = borders.nextBorder(unit);
      const isWhole = borders.strength(next) !== borders.weakest;
      if (isWhole && endsLine(borders.text, borders.start(unit), borders.start(next))) {
        lineStart = true;
        start = next;
      }
      unit = next;
      if (this.#isDue()) yield unit / borders.size;
    }
    // Indentation that fills much of a chunk is no indentation.
    return lineStart && content - start <= this.#max / 4 ? start : content;
  }

  /** True once in a few thousand times: a place to pause. */
  #isDue(): boolean {
    return (++this.#ticks & 0xfff) === 0;
  }
}

function isLineStart(text: string, index: number): boolean {
  return index === 0 || classBefore(text, index) === NEWLINE;
}

function endsLine(text: string, start: number, end: number): boolean {
  for (let i = start; i < end; i++) {
    if (classAt(text, i) === NEWLINE) return true;
  }
  return false;
}
