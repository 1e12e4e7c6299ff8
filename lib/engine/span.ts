/** Entries `start` (included) to `end` (excluded) of a sequence. */
export interface Span {
  readonly start: number;
  readonly end: number;
}
