import type { ChangeRequest, ChangeResult } from '../../lib/engine/forward.js';
import { InvalidArgumentError } from '../../lib/errors.js';
import type { ChangeSpec, ChangeSums } from './change-nodes.js';
import { checkSpan, type Rows } from './rows.js';

/** Sums the changes of all pieces of a pass, and divides them by how many rows there were. */
export class ChangeMeans {
  readonly #result: ChangeResult;
  /** Of each row of the batch the number of its span, or -1. */
  readonly #spanOf: Int32Array;

  /**
   * @param live numbers of the rows that are computed.
   * @throws InvalidArgumentError for a group that is not refreshed, or spans that are none
   */
  constructor(
    request: ChangeRequest,
    rows: Rows,
    live: Int32Array,
    layers: { readonly from: number; readonly to: number },
    widths: { readonly key: number; readonly value: number },
  ) {
    const group = rows.groups[request.group];
    if (group?.kind !== 'refresh') {
      throw new InvalidArgumentError(
        `Changes are measured of entries that are computed again, but group ${request.group} is none of those.`,
      );
    }
    let last = 0;
    for (const span of request.spans) {
      checkSpan(span, group.sequence.length);
      if (span.start < last) throw new InvalidArgumentError('Spans must be in order, and apart.');
      last = span.end;
    }
    this.#spanOf = new Int32Array(rows.count).fill(-1);
    const counts = new Int32Array(request.spans.length);
    for (const row of live) {
      if (row < group.start || row >= group.start + group.count) continue;
      const entry = rows.entry[row] as number;
      const span = request.spans.findIndex(({ start, end }) => entry >= start && entry < end);
      this.#spanOf[row] = span;
      if (span >= 0) counts[span] = (counts[span] as number) + 1;
    }
    const size = (layers.to - layers.from) * request.spans.length;
    this.#result = {
      layers: { ...layers },
      rows: counts,
      keys: new Float32Array(size * widths.key),
      values: new Float32Array(size * widths.value),
    };
  }

  /** What a piece is to sum; undefined where it holds no such rows. */
  specOf(piece: Int32Array): ChangeSpec | undefined {
    const rows: number[] = [];
    for (const [i, row] of piece.entries()) {
      if ((this.#spanOf[row] as number) >= 0) rows.push(i);
    }
    if (rows.length === 0) return undefined;
    return {
      rows: Int32Array.from(rows),
      spans: this.#result.rows.length,
      span: Int32Array.from(rows, (i) => this.#spanOf[piece[i] as number] as number),
    };
  }

  /** @param from first layer of the sums. */
  collect(from: number, sums: readonly ChangeSums[]): void {
    const { layers, rows } = this.#result;
    const add = (target: Float32Array, values: Float32Array, layer: number): void => {
      const width = values.length / rows.length;
      const offset = (layer - layers.from) * values.length;
      for (const [span, count] of rows.entries()) {
        if (count === 0) continue;
        for (let i = span * width; i < (span + 1) * width; i++) {
          target[offset + i] = (target[offset + i] as number) + (values[i] as number) / count;
        }
      }
    };
    for (const [i, { keys, values }] of sums.entries()) {
      add(this.#result.keys, keys, from + i);
      add(this.#result.values, values, from + i);
    }
  }

  get result(): ChangeResult {
    return this.#result;
  }
}
