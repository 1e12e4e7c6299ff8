import type { ModelInfo } from '../../engine/model-info.js';
import type { Cells } from './cells.js';
import type { Entries } from './entries.js';
import { checkDistinct, checkPosition, checkPositions, checkTokens } from './validate.js';
import { InvalidArgumentError } from '../../errors.js';

/** A group of a batch, its sequence resolved. */
export type GroupSpec =
  | {
      readonly kind: 'append';
      readonly entries: Entries;
      readonly tokens: Int32Array;
      readonly positions?: Int32Array | undefined;
    }
  | { readonly kind: 'refresh'; readonly entries: Entries; readonly numbers: Int32Array };

/** One token that a batch computes. */
export interface Row {
  readonly group: number;
  readonly entries: Entries;
  /** Its entry number once the batch is set up. */
  readonly entry: number;
  readonly token: number;
  readonly position: number;
  readonly append: boolean;
}

/** The rows of a checked batch, in order, and the cells that setting it up takes. */
export interface RowPlan {
  readonly rows: readonly Row[];
  readonly groups: number;
  readonly cellsNeeded: number;
}

/** Checks a batch and numbers its rows; changes nothing. */
export function planRows(cells: Cells, groups: readonly GroupSpec[], model: ModelInfo): RowPlan {
  if (groups.length === 0) throw new InvalidArgumentError('A batch needs at least one group.');
  const rows: Row[] = [];
  const ends = new Map<Entries, { length: number; position: number }>();
  const refreshed = new Map<Entries, Set<number>>();
  const users = new Map<number, number>();
  let cellsNeeded = 0;
  groups.forEach((spec, group) => {
    const { entries } = spec;
    entries.assertNoPass();
    if (spec.kind === 'refresh') {
      checkDistinct(spec.numbers, entries.length, 'entry');
      const seen = refreshed.get(entries) ?? new Set<number>();
      refreshed.set(entries, seen);
      for (const entry of spec.numbers) {
        if (seen.has(entry)) {
          throw new InvalidArgumentError(`Entry ${entry} is refreshed twice in one batch.`);
        }
        seen.add(entry);
        const cell = entries.list[entry] as number;
        const holders = users.get(cell) ?? cells.users(cell);
        if (holders > 1) {
          cellsNeeded++;
          users.set(cell, holders - 1);
        }
        const token = cells.token[cell] as number;
        const position = cells.position[cell] as number;
        rows.push({ group, entries, entry, token, position, append: false });
      }
      return;
    }
    const tokens = checkTokens(spec.tokens, model.vocabSize);
    if (tokens.length === 0) throw new InvalidArgumentError('At least one token is needed.');
    const positions =
      spec.positions && checkPositions(spec.positions, tokens.length, model.contextLength);
    const end = ends.get(entries) ?? { length: entries.length, position: entries.nextPosition };
    ends.set(entries, end);
    const first = end.position;
    tokens.forEach((token, i) => {
      const position = checkPosition(positions?.[i] ?? first + i, model.contextLength);
      rows.push({ group, entries, entry: end.length++, token, position, append: true });
      end.position = Math.max(end.position, position + 1);
      cellsNeeded++;
    });
  });
  return { rows, groups: groups.length, cellsNeeded };
}

/**
 * Gives every row a cell of its own: new ones for appended rows, copies of shared ones for refreshed rows.
 * @returns cells of appended rows, which join their sequences when they are computed.
 * @throws ContextOverflowError before anything was changed.
 */
export function setUpRows(cells: Cells, plan: RowPlan): Map<Entries, number[]> {
  cells.reserve(plan.cellsNeeded);
  const joining = new Map<Entries, number[]>();
  for (const row of plan.rows) {
    if (!row.append) {
      row.entries.own(row.entry);
      continue;
    }
    const cell = cells.take(1)[0] as number;
    cells.token[cell] = row.token;
    cells.position[cell] = row.position;
    const others = joining.get(row.entries);
    if (others) others.push(cell);
    else joining.set(row.entries, [cell]);
  }
  return joining;
}
