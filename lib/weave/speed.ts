/** How long computing a token takes here, from what was measured. */
export class Speed {
  #msPerToken: number | undefined;

  /** Undefined until something was measured. */
  get msPerToken(): number | undefined {
    return this.#msPerToken;
  }

  /** Milliseconds that `tokens` would take; undefined until something was measured. */
  estimate(tokens: number): number | undefined {
    return this.#msPerToken === undefined ? undefined : this.#msPerToken * tokens;
  }

  measured(tokens: number, ms: number): void {
    if (tokens <= 0 || !(ms >= 0)) return;
    const sample = ms / tokens;
    // Short runs say less; a long one replaces most of what was believed before.
    const weight = Math.min(0.8, tokens / 512);
    this.#msPerToken =
      this.#msPerToken === undefined ? sample : this.#msPerToken * (1 - weight) + sample * weight;
  }
}
