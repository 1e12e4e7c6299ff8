import type { TokenizedText } from '../../lib/engine/tokenizer.js';
import type { Steps } from '../../lib/pace.js';
import type { Literal, Segment } from './segments.js';

/** Collects the tokens of a text's parts. */
export class TokenParts {
  readonly #parts: { readonly ids: Int32Array; readonly starts: Int32Array }[] = [];
  #count = 0;

  add(ids: Int32Array, starts: Int32Array): void {
    this.#parts.push({ ids, starts });
    this.#count += ids.length;
  }

  addLiteral(segment: Segment, literal: Literal): void {
    const starts = new Int32Array(literal.ids.length).fill(-1);
    starts[0] = segment.start;
    this.add(Int32Array.from(literal.ids), starts);
  }

  /** All parts in order. */
  *join(textLength: number): Steps<TokenizedText> {
    const ids = new Int32Array(this.#count);
    const starts = new Int32Array(this.#count + 1);
    let at = 0;
    for (const part of this.#parts) {
      ids.set(part.ids, at);
      starts.set(part.starts, at);
      at += part.ids.length;
      yield at / this.#count;
    }
    starts[at] = textLength;
    return { ids, starts };
  }
}
