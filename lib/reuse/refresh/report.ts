/** What a refresh took. Work is counted in layer-tokens: one token through one layer. */
export interface RefreshReport {
  /** Tokens of passages that were computed again in each layer: `[layers]`. */
  readonly tokensByLayer: Int32Array;
  readonly layerTokens: LayerTokens;
}

export interface LayerTokens {
  /** Tokens of passages, computed again. */
  readonly refreshed: number;
  /** What the policy asked before it decided. */
  readonly probed: number;
  /** The question, wherever it stands. */
  readonly question: number;
}

/**
 * Share of the passages' layer-tokens that was spent on repair, probes included: what {@link PassageRefresh} would be
 * of all tokens if all of them went through all layers.
 */
export function recomputeRatio(
  { layerTokens, tokensByLayer }: RefreshReport,
  passageTokens: number,
): number {
  const all = passageTokens * tokensByLayer.length;
  return all > 0 ? (layerTokens.refreshed + layerTokens.probed) / all : 0;
}
