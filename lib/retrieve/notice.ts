/** Something that a retriever did without, and why: the results are there, but not as good as they could be. */
export interface RetrievalNotice {
  readonly kind: 'side-failed' | 'rerank-failed';
  /** A sentence for people. */
  readonly message: string;
  readonly cause?: unknown;
}

export type OnRetrievalNotice = (notice: RetrievalNotice) => void;
