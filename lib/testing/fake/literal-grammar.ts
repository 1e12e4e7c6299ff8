import type { Tokenizer } from '../../engine/tokenizer.js';
import { SamplingError } from '../../errors.js';

/**
 * The part of GBNF that the fake engine knows: one rule `root` of quoted literals, for example
 * `root ::= "yes" | "no"`. Enough for judges that answer by a word.
 */
export class LiteralGrammar {
  readonly #tokenizer: Tokenizer;
  #rest: readonly Uint8Array[];

  /** @throws SamplingError for anything else. */
  constructor(grammar: string, tokenizer: Tokenizer) {
    const literal = String.raw`"(?:[^"\\]|\\.)*"`;
    const rule = new RegExp(String.raw`^\s*root\s*::=\s*(${literal}(?:\s*\|\s*${literal})*)\s*$`);
    const body = rule.exec(grammar)?.[1];
    if (body === undefined) {
      throw new SamplingError(
        'The fake engine reads grammars of the form root ::= "yes" | "no" only.',
      );
    }
    this.#tokenizer = tokenizer;
    this.#rest = Array.from(body.matchAll(new RegExp(literal, 'g')), ([quoted]) =>
      new TextEncoder().encode(JSON.parse(quoted) as string),
    );
  }

  /** Sets the logits of tokens that may not come next to -Infinity. */
  mask(logits: Float64Array): void {
    const mayEnd = this.#rest.some((rest) => rest.length === 0);
    for (let token = 0; token < logits.length; token++) {
      const allowed = this.#tokenizer.isEndOfGeneration(token)
        ? mayEnd
        : this.#after(token).length > 0;
      if (!allowed) logits[token] = -Infinity;
    }
  }

  accept(token: number): void {
    if (!this.#tokenizer.isEndOfGeneration(token)) this.#rest = this.#after(token);
  }

  #after(token: number): readonly Uint8Array[] {
    const bytes = this.#tokenizer.bytes(token);
    if (bytes.length === 0) return [];
    return this.#rest
      .filter((rest) => bytes.every((byte, i) => rest[i] === byte))
      .map((rest) => rest.subarray(bytes.length));
  }
}
