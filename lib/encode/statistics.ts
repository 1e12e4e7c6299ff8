/**
 * Whom a chunk's tokens attended to when they were encoded (Cache-Craft, arXiv 2502.15734, equations 3, 4, 9 to 11).
 * Mass is summed over heads and averaged over layers. What Cache-Craft keeps with each variant of a chunk.
 */
export interface EncodingStatistics {
  /** Tokens of the chunk. */
  readonly tokens: number;
  /** Layers whose attention was averaged. */
  readonly layers: readonly number[];
  /** Mass on each earlier chunk (inter, equation 3): its number in the document, its tokens that were seen. */
  readonly inter: readonly InterAttention[];
  /** Mass on the chunk's own tokens, each token's on itself left in (intra, equation 4). */
  readonly intra: number;
  /** Of each token, the mass on all earlier chunks: `[tokens]`. */
  readonly interByToken: Float32Array;
  /** Equation 9. */
  readonly a: number;
  /** Equation 10. */
  readonly b: number;
  /** Cache context impact (equation 11), in [0.5, 1): how much the chunk leans on what came before it. */
  readonly cci: number;
}

export interface InterAttention {
  readonly chunk: number;
  readonly tokens: number;
  readonly mass: number;
}

export interface StatisticsInput {
  /** `[rows][seen]`, summed over heads and layers. */
  readonly bySpan: Float32Array;
  readonly layers: readonly number[];
  /** The chunk's rows. */
  readonly rows: { readonly start: number; readonly end: number };
  /** What the columns stand for, ascending. */
  readonly seen: readonly { readonly chunk: number; readonly tokens: number }[];
  readonly chunk: number;
}

export function statisticsOf({
  bySpan,
  layers,
  rows,
  seen,
  chunk,
}: StatisticsInput): EncodingStatistics {
  const tokens = rows.end - rows.start;
  const columns = seen.length;
  const share = 1 / Math.max(1, layers.length);
  const masses = new Float64Array(columns);
  const interByToken = new Float32Array(tokens);
  for (let row = rows.start; row < rows.end; row++) {
    for (let column = 0; column < columns; column++) {
      const other = seen[column]?.chunk as number;
      if (other > chunk) break;
      const mass = (bySpan[row * columns + column] as number) * share;
      (masses[column] as number) += mass;
      if (other < chunk) (interByToken[row - rows.start] as number) += mass;
    }
  }
  const inter: InterAttention[] = [];
  let intra = 0;
  let a = 0;
  for (const [column, { chunk: other, tokens: count }] of seen.entries()) {
    const mass = masses[column] as number;
    if (other === chunk) intra = mass;
    if (other >= chunk) continue;
    inter.push({ chunk: other, tokens: count, mass });
    a += mass / (tokens * count);
  }
  const b = intra / tokens ** 2;
  return { tokens, layers, inter, intra, interByToken, a, b, cci: 1 / (1 + Math.exp(-a / b)) };
}
