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
  /** Half precision, `[2][layers][tokens]`: {@link EncodingStatistics.byLayer}, inter before intra. */
  readonly byLayer?: Uint8Array;
}

/** Attention statistics in the form that stores keep with a record: per-token numbers as halves. */
export function packStatistics(statistics: EncodingStatistics): PackedStatistics {
  const { layers, inter, intra, interByToken, byLayer } = statistics;
  return {
    kind: 'encoding-statistics',
    layers: [...layers],
    inter: inter.flatMap(({ chunk, tokens, mass }) => [chunk, tokens, mass]),
    intra,
    byToken: halvesOf(interByToken),
    ...(byLayer && { byLayer: halvesOf(byLayer.inter, byLayer.intra) }),
  };
}

function halvesOf(...lists: readonly Float32Array[]): Uint8Array {
  const bytes = new Uint8Array(lists.reduce((sum, list) => sum + 2 * list.length, 0));
  let at = 0;
  for (const list of lists) {
    writeFloats(list, bytes.subarray(at));
    at += 2 * list.length;
  }
  return bytes;
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
  const cci = 1 / (1 + Math.exp(-a / b));
  const values = details.byLayer && floatsOf(details.byLayer);
  const half = layers.length * tokens;
  const byLayer = values?.length === 2 * half && {
    inter: values.subarray(0, half),
    intra: values.subarray(half),
  };
  return { tokens, layers, inter, intra, interByToken, ...(byLayer && { byLayer }), a, b, cci };
}

function isPacked(details: unknown): details is PackedStatistics {
  if (typeof details !== 'object' || details === null) return false;
  const { kind, layers, inter, intra, byToken, byLayer } = details as Partial<PackedStatistics>;
  return (
    kind === 'encoding-statistics' &&
    isNumbers(layers) &&
    isNumbers(inter) &&
    inter.length % 3 === 0 &&
    typeof intra === 'number' &&
    intra > 0 &&
    ArrayBuffer.isView(byToken) &&
    byToken.byteLength > 0 &&
    byToken.byteLength % 2 === 0 &&
    (byLayer === undefined || ArrayBuffer.isView(byLayer))
  );
}

function isNumbers(list: unknown): list is readonly number[] {
  return Array.isArray(list) && list.every((item) => Number.isFinite(item));
}
