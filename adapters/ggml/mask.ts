/** What the rows of one sequence may see: its cells, ordered by position. */
export interface Visible {
  /** Ascending. */
  readonly positions: Int32Array;
  readonly cells: Int32Array;
}

/** Rows and what their groups may see. */
export interface Seeing {
  readonly positions: Int32Array;
  /** Number of each row's group. */
  readonly groups: ArrayLike<number>;
  readonly visible: readonly Visible[];
}

const HIDDEN = 0xfc00; // -infinity in half precision

/**
 * Fills a mask `[rows][span]` of half-precision numbers from positions alone: a row sees the cells of its
 * sequence at or before its own position and, with a window, after `position - window`. Rows beyond
 * `positions.length` are padding; they see the first cell, since a row that sees nothing has no softmax.
 */
export function fillMask(options: {
  readonly mask: Uint16Array;
  readonly span: number;
  /** Position of each row; ascending among the rows of a group that follow each other. */
  readonly positions: Int32Array;
  /** Number of each row's group. */
  readonly groups: ArrayLike<number>;
  readonly visible: readonly Visible[];
  /** 0 for none. */
  readonly window: number;
}): void {
  const { mask, span, positions, groups, visible, window } = options;
  let group = -1;
  let next = 0;
  let first = 0;
  let previous = 0;
  for (let row = 0; row < positions.length; row++) {
    const at = row * span;
    const position = positions[row] as number;
    if (groups[row] === group && position >= previous) {
      mask.copyWithin(at, at - span, at);
    } else {
      group = groups[row] as number;
      next = 0;
      first = 0;
      mask.fill(HIDDEN, at, at + span);
    }
    previous = position;
    const { positions: seen, cells } = visible[group] as Visible;
    while (next < seen.length && (seen[next] as number) <= position) {
      mask[at + (cells[next] as number)] = 0;
      next++;
    }
    if (window > 0) {
      while (first < next && (seen[first] as number) <= position - window) {
        mask[at + (cells[first] as number)] = HIDDEN;
        first++;
      }
    }
  }
  for (let at = positions.length * span; at < mask.length; at += span) {
    mask.fill(HIDDEN, at, at + span);
    mask[at] = 0;
  }
}

/**
 * One more than the highest cell that any of the rows sees: attention need not look further, which spares the earlier
 * pieces of a long prompt the cells of the later ones.
 */
export function reachOf({ positions, groups, visible }: Seeing): number {
  const last = new Map<number, number>();
  for (let row = 0; row < positions.length; row++) {
    const group = groups[row] as number;
    last.set(group, Math.max(last.get(group) ?? -1, positions[row] as number));
  }
  let reach = 0;
  for (const [group, position] of last) {
    const { positions: seen, cells } = visible[group] as Visible;
    for (let i = 0; i < seen.length && (seen[i] as number) <= position; i++) {
      reach = Math.max(reach, (cells[i] as number) + 1);
    }
  }
  return reach;
}

/** Orders a sequence's cells, and rows that are about to join it, by position. */
export function orderVisible(
  positions: Int32Array,
  cells: Int32Array,
  joining?: { positions: Int32Array; cells: Int32Array },
): Visible {
  let all = { positions, cells };
  if (joining && joining.positions.length > 0) {
    all = {
      positions: concat(positions, joining.positions),
      cells: concat(cells, joining.cells),
    };
  }
  if (isAscending(all.positions)) return all;
  const order = Array.from(all.positions.keys()).sort(
    (a, b) => (all.positions[a] as number) - (all.positions[b] as number),
  );
  return {
    positions: Int32Array.from(order, (at) => all.positions[at] as number),
    cells: Int32Array.from(order, (at) => all.cells[at] as number),
  };
}

function isAscending(values: Int32Array): boolean {
  for (let i = 1; i < values.length; i++) {
    if ((values[i] as number) < (values[i - 1] as number)) return false;
  }
  return true;
}

function concat(a: Int32Array, b: Int32Array): Int32Array {
  const both = new Int32Array(a.length + b.length);
  both.set(a);
  both.set(b, a.length);
  return both;
}
