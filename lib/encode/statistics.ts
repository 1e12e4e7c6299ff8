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
  /** The same and that on the chunk itself, layer by layer; absent in older records. */
  readonly byLayer?: LayerStatistics;
  /** Equation 9. */
  readonly a: number;
  /** Equation 10. */
  readonly b: number;
  /** Cache context impact (equation 11), in [0.5, 1): how much the chunk leans on what came before it. */
  readonly cci: number;
}

/** Mass of each token in each of the layers, summed over heads: `[layers][tokens]`. */
export interface LayerStatistics {
  /** On all earlier chunks. */
  readonly inter: Float32Array;
  /** On the chunk's own tokens. */
  readonly intra: Float32Array;
}

/** How much of the attention of a chunk went to an earlier one, which has so many tokens. */
export interface InterAttention {
  readonly chunk: number;
  readonly tokens: number;
  readonly mass: number;
}

export interface StatisticsInput {
  /** `[layers][rows][seen]`, summed over heads. */
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
  const allRows = bySpan.length / Math.max(1, layers.length * columns);
  const masses = new Float64Array(columns);
  const interByToken = new Float32Array(tokens);
  const byLayer = {
    inter: new Float32Array(layers.length * tokens),
    intra: new Float32Array(layers.length * tokens),
  };
  for (let layer = 0; layer < layers.length; layer++) {
    for (let token = 0; token < tokens; token++) {
      const at = (layer * allRows + rows.start + token) * columns;
      const place = layer * tokens + token;
      for (let column = 0; column < columns; column++) {
        const other = seen[column]?.chunk as number;
        if (other > chunk) break;
        const mass = bySpan[at + column] as number;
        (masses[column] as number) += mass * share;
        if (other < chunk) (byLayer.inter[place] as number) += mass;
        else (byLayer.intra[place] as number) += mass;
      }
      (interByToken[token] as number) += (byLayer.inter[place] as number) * share;
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
  const cci = 1 / (1 + Math.exp(-a / b));
  return { tokens, layers, inter, intra, interByToken, byLayer, a, b, cci };
}
