import type { Document } from '../../document.js';
import type { Range } from '../chunking/ranges.js';

/** A question, the texts that passages for it are found in, and what a right answer is known by. */
export interface EvaluationQuestion {
  readonly id: string;
  readonly question: string;
  /** Any of them is right. */
  readonly answers: readonly string[];
  /** Questions with the same corpus share its documents. */
  readonly corpus: string;
  readonly documents: readonly Document[];
  readonly gold: Gold;
}

/** What a search for a question should find. */
export type Gold =
  /** Parts of a document. */
  | { readonly kind: 'spans'; readonly documentId: string; readonly spans: readonly Range[] }
  /** Something of each of these documents. */
  | { readonly kind: 'documents'; readonly ids: readonly string[] }
  /** A passage of the question's own documents that holds one of the answers. */
  | { readonly kind: 'answer' };
