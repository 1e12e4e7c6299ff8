/** A language model that other parts may ask: chunkers, enrichment, judges. */
export interface LanguageModel {
  readonly name: string;
  generate(request: GenerateRequest): Promise<GenerateResult>;
}

export interface GenerateRequest {
  readonly system?: string;
  readonly prompt: string;
  /** Default 256. */
  readonly maxTokens?: number;
  /** Default 0: greedy. */
  readonly temperature?: number;
  readonly seed?: number;
  readonly stop?: readonly string[];
  /** GBNF grammar that the answer must follow. */
  readonly grammar?: string;
  /** How many of the first token's most likely alternatives are wanted; default 0. */
  readonly topLogprobs?: number;
  readonly signal?: AbortSignal;
}

export interface GenerateResult {
  readonly text: string;
  readonly finishReason: 'stop' | 'length';
  readonly usage: { readonly promptTokens: number; readonly generatedTokens: number };
  /** The first token's alternatives, most likely first; natural logarithms. */
  readonly firstToken?: readonly { readonly text: string; readonly logprob: number }[];
}
