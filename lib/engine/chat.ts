/** The model's chat format, reduced to what weaving needs: what stands before and after the user's text. */
export interface ChatFormat {
  /** `model`: the template in the model file. `plain`: the file has none, or it cannot be rendered. */
  readonly source: 'model' | 'plain';
  /** What a person should know: no template, no system role and so on. */
  readonly notes: readonly string[];
  /** Renders the template once around the user's text and tokenises both sides. Same input, same tokens. */
  frame(options?: ChatFrameOptions): Promise<ChatFrame>;
  /**
   * What stands between an answer and the user's next text: end of the assistant's turn, opening of the user's. Same
   * tokens every time.
   * @throws ChatTemplateError when the template takes no earlier turns.
   */
  between(): Promise<Int32Array>;
}

export interface ChatFrameOptions {
  /** System message; merged into the user's text where the template has no system role. */
  readonly system?: string;
  /** Earlier turns, oldest first. Their text never yields special tokens. */
  readonly history?: readonly ChatTurn[];
}

/** One message of a conversation. */
export interface ChatTurn {
  readonly role: 'user' | 'assistant';
  readonly content: string;
}

/** A prompt is `head`, the user's text tokenised piece by piece, then `tail`. */
export interface ChatFrame {
  /** BOS (once, by the model's flag), system message, opening of the user's turn. */
  readonly head: Int32Array;
  /** End of the user's turn, opening of the assistant's. */
  readonly tail: Int32Array;
}
