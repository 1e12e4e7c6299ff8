/** How the next token is chosen. The default is greedy. */
export interface SamplingOptions {
  /** 0 (default) takes the most likely token. */
  readonly temperature?: number;
  /** Keep the k most likely tokens; 0 (default) keeps all. */
  readonly topK?: number;
  /** Nucleus sampling: keep the smallest set with this probability; default 1. */
  readonly topP?: number;
  /** Drop tokens less likely than `minP` times the most likely; default 0. */
  readonly minP?: number;
  /** Divide (or multiply, below 0) the logits of recent tokens by this; default 1. */
  readonly repeatPenalty?: number;
  readonly frequencyPenalty?: number;
  readonly presencePenalty?: number;
  /** How many recent tokens the penalties look at; default 64. */
  readonly penaltyWindow?: number;
  /** Seed of the random choice, an integer in [0, 2^32); default 0. Same seed, same text. */
  readonly seed?: number;
  /** GBNF grammar that the answer must follow. */
  readonly grammar?: string;
}

/** Chooses tokens from logits; holds the state of penalties and grammar. */
export interface Sampler extends AsyncDisposable {
  /** Picks the next token from one row of logits (length `vocabSize`) and remembers it. */
  sample(logits: Float32Array): Promise<number>;
  dispose(): Promise<void>;
}
