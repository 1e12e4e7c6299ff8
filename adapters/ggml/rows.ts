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

/** Row numbers that are about to join a sequence, in the order in which they will stand in it. */
export function joiningRows(rows: Rows, sequence: GgmlSequence): Int32Array {
  const found: number[] = [];
  for (const group of rows.groups) {
    if (group.kind !== 'append' || group.sequence !== sequence) continue;
    for (let row = group.start; row < group.start + group.count; row++) found.push(row);
  }
  return Int32Array.from(found);
}

/**
 * Checks what of a batch can be checked when the call is made, and copies its arrays: the caller may reuse
 * them while the call waits for its turn.
 */
export function ownGroups(arena: GgmlArena, groups: readonly RowGroup[]): RowGroup[] {
  const { info } = arena.model;
  if (!Array.isArray(groups) || groups.length === 0 || groups.length > 4096) {
    throw new InvalidArgumentError(
      `A batch takes a list of 1 to 4096 groups, not ${String(groups?.length)}.`,
    );
  }
  return groups.map((group: RowGroup): RowGroup => {
    const sequence = group?.sequence;
    if (!(sequence instanceof GgmlSequence) || sequence.arena !== arena) {
      throw new InvalidArgumentError('A batch takes sequences of its own arena only.');
    }
    sequence.assertUsable();
    if (group.kind === 'refresh') return { ...group, entries: copy(group.entries, 'entries') };
    if (group.kind !== 'append') {
      throw new InvalidArgumentError('A group is of kind "append" or "refresh".');
    }
    const tokens = copy(group.tokens, 'tokens');
    if (tokens.length === 0) throw new InvalidArgumentError('At least one token is needed.');
    checkTokens(tokens, info.vocabSize);
    if (group.positions === undefined) return { ...group, tokens };
    const positions = copy(group.positions, 'positions');
    checkPositions(positions, tokens.length, info.contextLength);
    return { ...group, tokens, positions };
  });
}

function copy(numbers: Int32Array, what: string): Int32Array {
  if (!ArrayBuffer.isView(numbers) || typeof numbers.slice !== 'function') {
    throw new InvalidArgumentError(`The ${what} of a group must be an Int32Array.`);
  }
  return numbers.slice();
}

/**
 * Checks the rest when the batch's turn has come: entries, and that the cells suffice. The native side would
 * end the process otherwise.
 */
export function checkGroups(arena: GgmlArena, groups: readonly RowGroup[]): void {
  const { table } = arena;
  const refreshed = new Map<GgmlSequence, Int32Array[]>();
  let needed = 0;
  for (const group of groups) {
    const sequence = group.sequence as GgmlSequence;
    sequence.assertNoPass();
    if (group.kind === 'append') needed += group.tokens.length;
    else refreshed.set(sequence, [...(refreshed.get(sequence) ?? []), group.entries]);
  }
  for (const [sequence, lists] of refreshed) {
    checkEntries(
      lists.flatMap((list) => [...list]),
      sequence.length,
    );
    const { cells } = sequence.state;
    for (const list of lists) {
      for (const entry of list) if (table.isShared(cells[entry] as number)) needed++;
    }
  }
  table.assertFree(needed);
}

export function checkTokens(tokens: Int32Array, vocabSize: number): void {
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
  const seen = new Set<number>();
  for (const position of positions) {
    if (!Number.isInteger(position) || position < 0 || seen.has(position)) {
      throw new InvalidArgumentError(
        'Positions of appended tokens are whole numbers from 0, each at most once.',
      );
    }
    seen.add(position);
    checkReach(position, context);
  }
}

/** @throws ContextOverflowError when a position lies beyond what the model was trained for. */
export function checkReach(lastPosition: number, context: number): void {
  if (lastPosition < context) return;
  if (!Number.isSafeInteger(lastPosition) || lastPosition > MAX_POSITION) {
    throw new InvalidArgumentError(`There is no position ${lastPosition}.`);
  }
  throw new ContextOverflowError(
    lastPosition + 1,
    context,
    'That is what the model was trained to see at once. Use fewer or shorter passages.',
  );
}

const MAX_POSITION = 2 ** 31 - 1;

export function checkEntries(entries: ArrayLike<number>, length: number): void {
  const seen = new Uint8Array(length);
  for (const entry of Array.from(entries)) {
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
