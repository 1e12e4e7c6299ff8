import { ChunkweaveError } from '../errors.js';

/** The value, the cost or the order of a set of chunks cannot be had. */
export class SelectionError extends ChunkweaveError {
  /** {@link Selector.name} of the selector. */
  readonly selector: string;

  constructor(selector: string, problem: string, options?: { cause?: unknown }) {
    super('SELECTION', `The selector "${selector}" cannot go on: ${problem}`, options);
    this.selector = selector;
  }
}

/** An exact search was asked for where there are more sets than it may look at. */
export class SelectionTooLargeError extends ChunkweaveError {
  /** Most sets that the selector looks at. */
  readonly limit: number;

  constructor(selector: string, limit: number) {
    super(
      'SELECTION_TOO_LARGE',
      `The selector "${selector}" would have to look at more than ${limit} sets. Give fewer candidates, a smaller budget or a higher limit, or take a selector that searches.`,
    );
    this.limit = limit;
  }
}
