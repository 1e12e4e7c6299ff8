/**
 * Content hash of a passage: 12 hexadecimal digits over its UTF-16 units (two multiplicative 32-bit lanes).
 * Not cryptographic; it only names passages. Equal on every platform.
 */
export function contentHash(text: string): string {
  let high = 0xdeadbeef;
  let low = 0x41c6ce57;
  for (let i = 0; i < text.length; i++) {
    const unit = text.charCodeAt(i);
    high = Math.imul(high ^ unit, 2_654_435_761);
    low = Math.imul(low ^ unit, 1_597_334_677);
  }
  const finalHigh =
    Math.imul(high ^ (high >>> 16), 2_246_822_507) ^ Math.imul(low ^ (low >>> 13), 3_266_489_909);
  const finalLow =
    Math.imul(low ^ (low >>> 16), 2_246_822_507) ^
    Math.imul(finalHigh ^ (finalHigh >>> 13), 3_266_489_909);
  return hex(finalHigh).slice(4) + hex(finalLow);
}

function hex(value: number): string {
  return (value >>> 0).toString(16).padStart(8, '0');
}

/** What would end or garble the id inside a URL, and `%` itself so that no two documents share an id. */
const unsafe = /[\s\p{Cc}%#?"<>\\^`{|}]/gu;

/** The document's part of a chunk id: readable, and safe in a URL. */
export function documentPart(documentId: string): string {
  return documentId
    .replace(/\p{Cs}/gu, '\ufffd')
    .replace(unsafe, (character) => encodeURIComponent(character));
}

/**
 * Gives the passages of one document their ids: `guide.md#5b1d9c02e4f7`, and `guide.md#5b1d9c02e4f7.2` for
 * the second passage with the same text. A passage keeps its id when text elsewhere changes.
 */
export class ChunkIds {
  readonly #document: string;
  readonly #seen = new Map<string, number>();

  constructor(documentId: string) {
    this.#document = documentPart(documentId);
  }

  /** Call once a passage, in document order. */
  next(text: string): string {
    const hash = contentHash(text);
    const ordinal = (this.#seen.get(hash) ?? 0) + 1;
    this.#seen.set(hash, ordinal);
    return `${this.#document}#${hash}${ordinal > 1 ? `.${ordinal}` : ''}`;
  }
}
