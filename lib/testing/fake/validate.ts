import type { Span } from '../../engine/span.js';
import { ContextOverflowError, InvalidArgumentError } from '../../errors.js';

const MAX_POSITION = 2 ** 31 - 1;

export function checkTokens(tokens: Int32Array, vocabSize: number): Int32Array {
  if (!ArrayBuffer.isView(tokens)) {
    throw new InvalidArgumentError('Tokens must be an Int32Array.');
  }
  for (const token of tokens) {
    if (!Number.isInteger(token) || token < 0 || token >= vocabSize) {
      throw new InvalidArgumentError(
        `Token ${token} is outside of the vocabulary of ${vocabSize} tokens.`,
      );
    }
  }
  return Int32Array.from(tokens);
}

/** @throws ContextOverflowError for a position that the model was not trained for. */
export function checkPosition(position: number, contextLength: number): number {
  if (!Number.isInteger(position) || position < 0 || position > MAX_POSITION) {
    throw new InvalidArgumentError(`Position ${position} is not an integer in [0, 2^31).`);
  }
  if (position >= contextLength) {
    const advice = 'That is what the model can see at once. Use fewer or shorter passages.';
    throw new ContextOverflowError(position + 1, contextLength, advice);
  }
  return position;
}

export function checkPositions(
  positions: Int32Array,
  count: number,
  contextLength: number,
): Int32Array {
  if (!ArrayBuffer.isView(positions) || positions.length !== count) {
    throw new InvalidArgumentError(`${count} tokens need ${count} positions.`);
  }
  if (new Set(positions).size < count) {
    throw new InvalidArgumentError('Appended tokens have different positions.');
  }
  for (const position of positions) checkPosition(position, contextLength);
  return Int32Array.from(positions);
}

export function checkSpan(span: Span, length: number, what = 'entries'): Span {
  const { start, end } = span;
  if (
    !Number.isInteger(start) ||
    !Number.isInteger(end) ||
    start < 0 ||
    end < start ||
    end > length
  ) {
    throw new InvalidArgumentError(`[${start}, ${end}) is not a span of ${length} ${what}.`);
  }
  return { start, end };
}

/** Entry numbers of a span or a list, each at most once. */
export function checkEntries(entries: Int32Array | Span, length: number): Int32Array {
  if (!ArrayBuffer.isView(entries)) {
    const { start, end } = checkSpan(entries, length);
    return Int32Array.from({ length: end - start }, (_, i) => start + i);
  }
  checkDistinct(entries, length, 'entry');
  return Int32Array.from(entries);
}

export function checkDistinct(numbers: Int32Array, below: number, what: string): void {
  const seen = new Set<number>();
  for (const number of numbers) {
    if (!Number.isInteger(number) || number < 0 || number >= below) {
      throw new InvalidArgumentError(`There is no ${what} ${number}; there are ${below}.`);
    }
    if (seen.has(number)) throw new InvalidArgumentError(`The ${what} ${number} is named twice.`);
    seen.add(number);
  }
}

/** Layer numbers must ascend and lie in `[from, to)`. */
export function checkLayers(layers: readonly number[], from: number, to: number): void {
  let previous = -1;
  for (const layer of layers) {
    if (!Number.isInteger(layer) || layer < from || layer >= to) {
      throw new InvalidArgumentError(`Layer ${layer} is not in [${from}, ${to}).`);
    }
    if (layer <= previous) throw new InvalidArgumentError('Layers must ascend.');
    previous = layer;
  }
}
