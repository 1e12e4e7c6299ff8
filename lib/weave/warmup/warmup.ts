import { InvalidArgumentError } from '../../errors.js';

/**
 * What the KV of passages is made in the sight of, beside the canonical prefix: `prefix`, nothing; `document`, the
 * text before them in their own document; `{ text }`, one fixed text, the same for all.
 */
export type Warmup = 'prefix' | 'document' | { readonly text: string };

/** How the KV of a passage was made: what it saw beside the canonical prefix. */
export type EncodedAfter = 'prefix' | 'document' | 'text';

/** @throws InvalidArgumentError for what is no warm-up. */
export function kindOf(warmup: Warmup): EncodedAfter {
  if (warmup === 'prefix' || warmup === 'document') return warmup;
  const text: unknown = warmup?.text;
  if (typeof text === 'string' && text.trim() !== '') return 'text';
  throw new InvalidArgumentError(
    `warmup is ${JSON.stringify(warmup)}; give 'prefix', 'document', or { text } with a text that is not empty.`,
  );
}
