import type { EncodeOptions, TokenizedText, Tokenizer } from '../../engine/tokenizer.js';
import { InvalidArgumentError } from '../../errors.js';
import { hashText } from './hash.js';

/** Tokens that stand for no text, in the order of their ids. */
const SPECIAL = ['<s>', '</s>', '<|im_start|>', '<|im_end|>', '<unk>'] as const;
const FIRST_BYTE = SPECIAL.length;

/** Beside one token for each byte. Some begin or end inside a character, as in real vocabularies. */
const RUNS: readonly (string | readonly number[])[] = [
  ...' the|the| of| and| to| in| a| is| was| for| that| with|user|assistant|system'.split('|'),
  ...'ing|tion|er|es|ed|en|on|an|th|he|re|ly|ment|al|. |, |  | The|The|://'.split('|'),
  ...' question|Question|Answer| chunk| cache|.\n\n|\n\n|\n|é|ü| é|ß|—|日本'.split('|'),
  [0xf0, 0x9f],
  [0x20, 0xf0, 0x9f],
  [0x98, 0x80],
  [0xe2, 0x80],
  [0x20, 0xe6],
  [0xa9, 0x20],
];

interface TrieNode {
  readonly next: Map<number, TrieNode>;
  token: number;
}

/**
 * A byte-level tokenizer that takes the longest token that matches. Token borders may fall inside
 * characters.
 */
export class FakeTokenizer implements Tokenizer {
  readonly fingerprint: string;
  readonly vocabSize: number;
  readonly bos = 0;
  readonly eos = 1;
  readonly addBos: boolean;
  readonly #bytes: readonly Uint8Array[];
  readonly #trie: TrieNode = { next: new Map(), token: -1 };

  constructor(options: { readonly addBos?: boolean } = {}) {
    this.addBos = options.addBos ?? true;
    const encoder = new TextEncoder();
    this.#bytes = [
      ...SPECIAL.map(() => new Uint8Array()),
      ...Array.from({ length: 256 }, (_, byte) => Uint8Array.of(byte)),
      ...RUNS.map((run) => (typeof run === 'string' ? encoder.encode(run) : Uint8Array.from(run))),
    ];
    this.vocabSize = this.#bytes.length;
    this.fingerprint = hashText(JSON.stringify([SPECIAL, RUNS, this.addBos]));
    this.#bytes.forEach((bytes, token) => {
      if (bytes.length > 0) this.#insert(bytes, token);
    });
  }

  async encode(text: string, options: EncodeOptions = {}): Promise<TokenizedText> {
    options.signal?.throwIfAborted();
    const ids: number[] = [];
    const starts: number[] = [];
    let from = 0;
    if (options.special) {
      const pattern = new RegExp(SPECIAL.map(escapePattern).join('|'), 'g');
      for (const match of text.matchAll(pattern)) {
        this.#encodeText(text.slice(from, match.index), from, ids, starts);
        ids.push(SPECIAL.indexOf(match[0] as (typeof SPECIAL)[number]));
        starts.push(match.index);
        from = match.index + match[0].length;
      }
    }
    this.#encodeText(text.slice(from), from, ids, starts);
    starts.push(text.length);
    return { ids: Int32Array.from(ids), starts: Int32Array.from(starts) };
  }

  decode(tokens: ArrayLike<number>, options: { special?: boolean } = {}): string {
    const encoder = new TextEncoder();
    const parts = Array.from(tokens, (token) =>
      options.special && this.isSpecial(token) ? encoder.encode(SPECIAL[token]) : this.bytes(token),
    );
    const all = new Uint8Array(parts.reduce((sum, part) => sum + part.length, 0));
    let at = 0;
    for (const part of parts) {
      all.set(part, at);
      at += part.length;
    }
    return new TextDecoder('utf-8', { ignoreBOM: true }).decode(all);
  }

  bytes(token: number): Uint8Array {
    const bytes = this.#bytes[token];
    if (!bytes) throw new InvalidArgumentError(`${token} is not a token of this vocabulary.`);
    return bytes.slice();
  }

  name(token: number): string {
    const bytes = this.bytes(token);
    if (bytes.length === 0) return SPECIAL[token] as string;
    const text = new TextDecoder().decode(bytes);
    return text.includes('\ufffd')
      ? Array.from(bytes, (byte) => `<0x${byte.toString(16).toUpperCase().padStart(2, '0')}>`).join(
          '',
        )
      : text;
  }

  isEndOfGeneration(token: number): boolean {
    return token === 1 || token === 3;
  }

  isSpecial(token: number): boolean {
    return token >= 0 && token < FIRST_BYTE;
  }

  #insert(bytes: Uint8Array, token: number): void {
    let node = this.#trie;
    for (const byte of bytes) {
      let next = node.next.get(byte);
      if (!next) {
        next = { next: new Map(), token: -1 };
        node.next.set(byte, next);
      }
      node = next;
    }
    node.token = token;
  }

  #encodeText(text: string, offset: number, ids: number[], starts: number[]): void {
    const bytes = new TextEncoder().encode(text);
    const places = new Int32Array(bytes.length).fill(-1);
    let byte = 0;
    let unit = 0;
    for (const character of text) {
      places[byte] = offset + unit;
      unit += character.length;
      const code = character.codePointAt(0) as number;
      // A lone surrogate is encoded as U+FFFD, three bytes, like every character of its range.
      byte += code < 0x80 ? 1 : code < 0x800 ? 2 : code < 0x10000 ? 3 : 4;
    }
    for (let at = 0; at < bytes.length;) {
      let node: TrieNode | undefined = this.#trie;
      let token = -1;
      let end = at;
      for (let i = at; i < bytes.length; i++) {
        node = node.next.get(bytes[i] as number);
        if (!node) break;
        if (node.token >= 0) {
          token = node.token;
          end = i + 1;
        }
      }
      ids.push(token);
      starts.push(places[at] as number);
      at = end;
    }
  }
}

function escapePattern(text: string): string {
  return text.replace(/[.*+?^${}()|[\]\\]/g, '\\$&');
}
