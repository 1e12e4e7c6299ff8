/**
 * How words and meaning are joined by default: what did best on the tuning half of the retrieval bench's questions, and
 * better than either side alone on the other.
 */
export const defaultFusion = {
  fusion: { kind: 'weighted', normalise: 'min-max' },
  weights: { lexical: 0.6, dense: 0.4 },
} as const;
