import { ContextOverflowError, InvalidArgumentError } from '../../lib/errors.js';
import type { RowGroup } from '../../lib/engine/arena.js';
import type { GgmlArena } from './arena.js';
import { GgmlSequence } from './sequence.js';

/** The rows of a batch, laid out by row number: groups one after another, in the order given. */
export interface Rows {
  readonly count: number;
  readonly tokens: Int32Array;
  readonly positions: Int32Array;
  readonly cells: Int32Array;
  readonly group: Uint16Array;
  /** Entry of a refreshed row; -1 for an appended one. */
  readonly entry: Int32Array;
  readonly groups: readonly GroupRows[];
}

export interface GroupRows {
  readonly kind: RowGroup['kind'];
  readonly sequence: GgmlSequence;
  /** First row. */
  readonly start: number;
  readonly count: number;
}

/**
 * Checks a batch before anything is touched: every token, entry and position, since the native side would
 * end the process.
 */
export function checkGroups(arena: GgmlArena, groups: readonly RowGroup[]): void {
  const { info } = arena.model;
  if (groups.length === 0 || groups.length > 4096) {
    throw new InvalidArgumentError(`A batch takes 1 to 4096 groups, not ${groups.length}.`);
  }
  const seen = new Set<unknown>();
  for (const group of groups) {
    const { sequence } = group;
    if (!(sequence instanceof GgmlSequence) || sequence.arena !== arena) {
      throw new InvalidArgumentError('A batch takes sequences of its own arena only.');
    }
    sequence.assertUsable();
    const key = `${group.kind}:${sequence.id}`;
    if (seen.has(key)) {
      throw new InvalidArgumentError('A sequence has at most one group of each kind in a batch.');
    }
    seen.add(key);
    if (group.kind === 'append') {
      checkTokens(group.tokens, info.vocabSize);
      if (group.positions) checkPositions(group.positions, group.tokens.length, info.contextLength);
    } else {
      checkEntries(group.entries, sequence.length);
    }
  }
}

export function checkTokens(tokens: Int32Array, vocabSize: number): void {
  if (tokens.length === 0) throw new InvalidArgumentError('At least one token is needed.');
  for (const token of tokens) {
    if (!Number.isInteger(token) || token < 0 || token >= vocabSize) {
      throw new InvalidArgumentError(
        `Token ${token} is outside the vocabulary of ${vocabSize} tokens. Use ids of this model's tokenizer.`,
      );
    }
  }
}

function checkPositions(positions: Int32Array, count: number, context: number): void {
  if (positions.length !== count) {
    throw new InvalidArgumentError(
      `${count} tokens need as many positions, not ${positions.length}.`,
    );
  }
  let last = -1;
  for (const position of positions) {
    if (!Number.isInteger(position) || position <= last) {
      throw new InvalidArgumentError(
        'Positions of appended tokens are whole numbers from 0 that rise from token to token.',
      );
    }
    last = position;
  }
  checkReach(last, context);
}

/** @throws ContextOverflowError when a position lies beyond what the model was trained for. */
export function checkReach(lastPosition: number, context: number): void {
  if (lastPosition < context) return;
  throw new ContextOverflowError(
    lastPosition + 1,
    context,
    'That is what the model was trained to see at once. Use fewer or shorter passages.',
  );
}

export function checkEntries(entries: Int32Array, length: number): void {
  if (entries.length === 0) throw new InvalidArgumentError('At least one entry is needed.');
  const seen = new Uint8Array(length);
  for (const entry of entries) {
    if (!Number.isInteger(entry) || entry < 0 || entry >= length) {
      throw new InvalidArgumentError(`Entry ${entry} is outside the sequence's ${length} entries.`);
    }
    if (seen[entry]) throw new InvalidArgumentError(`Entry ${entry} is named twice.`);
    seen[entry] = 1;
  }
}

export function checkSpan(span: { start: number; end: number }, length: number): void {
  const { start, end } = span;
  if (
    !Number.isInteger(start) ||
    !Number.isInteger(end) ||
    start < 0 ||
    end < start ||
    end > length
  ) {
    throw new InvalidArgumentError(
      `The span [${start}, ${end}) lies outside the ${length} entries.`,
    );
  }
}

export function checkLayers(layers: readonly number[], count: number, from = 0): void {
  let last = from - 1;
  for (const layer of layers) {
    if (!Number.isInteger(layer) || layer <= last || layer >= count) {
      throw new InvalidArgumentError(
        `Layers are rising whole numbers from ${from} to ${count - 1}; got ${layers.join(', ')}.`,
      );
    }
    last = layer;
  }
}
