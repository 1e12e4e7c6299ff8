import type { Document, TokenizedDocument } from '../../lib/index.js';

/** A document with one token for each UTF-16 unit: what a byte-level tokenizer makes of English text. */
export function withCharacterTokens(document: Document): TokenizedDocument {
  const { text } = document;
  const ids = new Int32Array(text.length);
  const starts = new Int32Array(text.length + 1);
  for (let i = 0; i < text.length; i++) {
    ids[i] = text.charCodeAt(i);
    starts[i] = i;
  }
  starts[text.length] = text.length;
  return { ...document, tokens: { ids, starts } };
}
