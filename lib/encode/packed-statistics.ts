import { floatsOf, writeFloats } from '../engine/halves.js';
import type { EncodingStatistics, InterAttention } from './statistics.js';

/** {@link EncodingStatistics} as a record's details keep them: numbers, lists and bytes. */
export interface PackedStatistics {
  readonly kind: 'encoding-statistics';
  readonly layers: readonly number[];
  /** Of each earlier chunk: number, tokens, mass, one after another. */
  readonly inter: readonly number[];
  readonly intra: number;
  /** Half precision, `[tokens]`: mass of at most the number of heads. */
  readonly byToken: Uint8Array;
}

export function packStatistics(statistics: EncodingStatistics): PackedStatistics {
  const { layers, inter, intra, interByToken } = statistics;
  const byToken = new Uint8Array(2 * interByToken.length);
  writeFloats(interByToken, byToken);
  return {
    kind: 'encoding-statistics',
    layers: [...layers],
    inter: inter.flatMap(({ chunk, tokens, mass }) => [chunk, tokens, mass]),
    intra,
    byToken,
  };
}

/** What {@link packStatistics} made; undefined for anything else, such as the details of an older record. */
export function unpackStatistics(details: unknown): EncodingStatistics | undefined {
  if (!isPacked(details)) return undefined;
  const { layers, intra } = details;
  const interByToken = floatsOf(details.byToken);
  const tokens = interByToken.length;
  const inter: InterAttention[] = [];
  let a = 0;
  for (let i = 0; i < details.inter.length; i += 3) {
    const [chunk = 0, count = 1, mass = 0] = details.inter.slice(i, i + 3);
    inter.push({ chunk, tokens: count, mass });
    a += mass / (tokens * count);
  }
  const b = intra / tokens ** 2;
  return { tokens, layers, inter, intra, interByToken, a, b, cci: 1 / (1 + Math.exp(-a / b)) };
}

function isPacked(details: unknown): details is PackedStatistics {
  if (typeof details !== 'object' || details === null) return false;
  const { kind, layers, inter, intra, byToken } = details as Partial<PackedStatistics>;
  return (
    kind === 'encoding-statistics' &&
    isNumbers(layers) &&
    isNumbers(inter) &&
    inter.length % 3 === 0 &&
    typeof intra === 'number' &&
    intra > 0 &&
    ArrayBuffer.isView(byToken) &&
    byToken.byteLength > 0 &&
    byToken.byteLength % 2 === 0
  );
}

function isNumbers(list: unknown): list is readonly number[] {
  return Array.isArray(list) && list.every((item) => Number.isFinite(item));
}
