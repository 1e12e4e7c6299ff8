import type { ModelProgress } from './types.js';

const reportEveryMs = 100;
const windowMs = 3000;

/** Adds up what the pieces of a download have on disk, and tells at most ten times a second. */
export class ProgressMeter {
  readonly #report: ((progress: ModelProgress) => void) | undefined;
  readonly #pieces: { bytes: number; total: number | undefined }[];
  readonly #expected: number | undefined;
  readonly #samples: { at: number; bytes: number }[] = [];
  #lastReport = 0;
  #received = 0;

  /** `expected`: bytes in all, as far as known before the servers say more. */
  constructor(
    report: ((progress: ModelProgress) => void) | undefined,
    pieces: number,
    expected: number | undefined,
  ) {
    this.#report = report;
    this.#pieces = Array.from({ length: pieces }, () => ({ bytes: 0, total: undefined }));
    this.#expected = expected;
  }

  setTotal(piece: number, total: number | undefined): void {
    this.#pieces[piece]!.total = total;
  }

  /** What the piece has on disk before new bytes arrive. */
  start(piece: number, bytes: number): void {
    this.#pieces[piece]!.bytes = bytes;
    this.#tell(false);
  }

  add(piece: number, bytes: number): void {
    this.#pieces[piece]!.bytes += bytes;
    this.#received += bytes;
    this.#tell(false);
  }

  done(): void {
    this.#tell(true);
  }

  #tell(now: boolean): void {
    if (!this.#report) return;
    const at = performance.now();
    if (!now && at - this.#lastReport < reportEveryMs) return;
    this.#lastReport = at;
    this.#samples.push({ at, bytes: this.#received });
    while (this.#samples.length > 2 && at - this.#samples[0]!.at > windowMs) this.#samples.shift();
    const first = this.#samples[0]!;
    const seconds = (at - first.at) / 1000;
    const totals = this.#pieces.map(({ total }) => total);
    this.#report({
      bytes: this.#pieces.reduce((sum, { bytes }) => sum + bytes, 0),
      total: totals.every((total) => total !== undefined)
        ? totals.reduce((sum, total) => sum + total, 0)
        : this.#expected,
      bytesPerSecond: seconds > 0 ? (this.#received - first.bytes) / seconds : 0,
    });
  }
}
