import { StaleCellError } from '../../lib/errors.js';
import type { CellTable } from './cells.js';

/**
 * Refuses to attend to cells whose layers are not valid.
 * @param writing cells that the pass itself computes in these layers
 */
export function assertReady(
  table: CellTable,
  state: { positions: Int32Array; cells: Int32Array },
  lastPosition: number,
  layers: number,
  writing?: ReadonlySet<number>,
): void {
  const { positions, cells } = state;
  for (let entry = 0; entry < cells.length; entry++) {
    const cell = cells[entry] as number;
    if (
      (table.ready[cell] as number) < layers &&
      (positions[entry] as number) <= lastPosition &&
      !writing?.has(cell)
    ) {
      throw new StaleCellError(
        `Entry ${entry} of the sequence is valid up to layer ${table.ready[cell]} only.`,
      );
    }
  }
}
