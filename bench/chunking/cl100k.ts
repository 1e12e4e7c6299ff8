import { Tiktoken } from 'js-tiktoken/lite';
import cl100k from 'js-tiktoken/ranks/cl100k_base';
import type { TokenizedText, Tokenizer } from '../../lib/index.js';

/** Texts are tokenised in parts of about this many UTF-16 units, each ending before a word at the end of a line. */
const partSize = 1 << 16;

/** The tokens of cl100k_base, which published measurements of chunkers are counted in. */
export class Cl100kTokenizer implements Pick<Tokenizer, 'encode' | 'fingerprint'> {
  readonly fingerprint = 'cl100k_base';
  readonly #encoder = new Tiktoken(cl100k);
  /** Length of each token in bytes. */
  readonly #lengths = lengthsOf(cl100k.bpe_ranks);

  count(text: string): number {
    return this.#encoder.encode(text, [], []).length;
  }

  decode(ids: Int32Array): string {
    return this.#encoder.decode([...ids]);
  }

  async encode(text: string): Promise<TokenizedText> {
    const ids = this.#ids(text);
    const starts = new Int32Array(ids.length + 1);
    let byte = 0;
    let unit = 0;
    // Bytes of the text before `unit`.
    let bytes = 0;
    for (let i = 0; i < ids.length; i++) {
      while (bytes < byte) {
        const point = text.codePointAt(unit) as number;
        bytes += point < 0x80 ? 1 : point < 0x800 ? 2 : point < 0x10000 ? 3 : 4;
        unit += point > 0xffff ? 2 : 1;
      }
      starts[i] = bytes === byte ? unit : -1;
      byte += this.#lengths[ids[i] as number] as number;
    }
    starts[ids.length] = text.length;
    return { ids: Int32Array.from(ids), starts };
  }

  #ids(text: string): number[] {
    const ids: number[] = [];
    for (let from = 0; from < text.length;) {
      // A token never reaches from the end of a line to the word behind it.
      const line = text.slice(from + partSize).search(/\n(?=\p{L})/u);
      const to = line < 0 ? text.length : from + partSize + line + 1;
      for (const id of this.#encoder.encode(text.slice(from, to), [], [])) ids.push(id);
      from = to;
    }
    return ids;
  }
}

/** Lines of `! first base64 base64 ...`: the bytes of the tokens from `first` on. */
function lengthsOf(ranks: string): Uint8Array {
  const lengths = new Uint8Array(1 << 17);
  for (const line of ranks.split('\n')) {
    const [, first, ...tokens] = line.split(' ');
    for (const [i, token] of tokens.entries()) {
      lengths[Number(first) + i] = Buffer.from(token, 'base64').length;
    }
  }
  return lengths;
}
