/**
 * How tokens that are not computed again move along with those of their passage that are, before the question looks at
 * them: each layer's mean change of keys (un-rotated) and values is added to them, or a share of it.
 */
export interface Carry {
  /** Share of the change that is added: above 0, at most 1. */
  readonly strength: number;
  /** Tokens of the windows that changes are averaged over; default the whole passage. */
  readonly window?: number;
  /**
   * Tokens over which what a window counts for another one fades by half, by the distance of their middles. Default: all
   * windows of a passage count for each other alike, by their tokens.
   */
  readonly halfLife?: number;
  /** In a few words. */
  readonly reason: string;
}
