import { InvalidArgumentError } from '../../../lib/errors.js';
import { byteLetter } from '../vocabulary.js';
import type { GgufInput } from '../../gguf/writer.js';

/** `enum llama_token_type`, the members that are written. */
const Kind = { Normal: 1, Unknown: 2, Control: 3, UserDefined: 4, Byte: 6 } as const;

/** A vocabulary of a few hundred tokens that encodes any text. */
export interface TinyVocabulary {
  readonly size: number;
  /** Header values for the model file. */
  readonly values: ReadonlyMap<string, GgufInput>;
}

export interface TinyVocabularyOptions {
  /** `bpe`: byte-level BPE as GPT-2's; `spm`: SentencePiece as Llama 2's and Gemma's. */
  readonly kind: 'bpe' | 'spm';
  /** Tokens in all; filled up with words that never come out of a text. Default: what is needed. */
  readonly size?: number | undefined;
  /** Name of the pre-tokenizer (BPE only); default `gpt-2`. */
  readonly pre?: string | undefined;
  /** Whether the file asks for a beginning-of-sequence token; default true for SPM only. */
  readonly addBos?: boolean | undefined;
  /** Whether libllama puts a space before a text (SPM only); default false. */
  readonly spacePrefix?: boolean | undefined;
}

/** Pairs that are merged, best first; `_` stands for the space that begins a word. */
const merges =
  '_ t|h e|i n|e r|_ a|o n|r e|_t he|a t|e n|_ s|_ o|n d|_ w|_ c|e s|i t|i s|_a nd|o r|_o f|in g|_ b|_ p|_ in|e d|_ m|a l|a n|_t o|l l|o u|a r|_ d|_ f|_w h|o w|_i s|at ion|i on|_ h|_h e|_t h|_th at|e l|s t|_b e|i ll|_f or|_wh at|a y|_s ay'
    .split('|')
    // `at ion` above comes before `i on`, and `_i s` needs `_i`: pairs that cannot form are harmless.
    .map((pair) => pair.split(' ') as [string, string]);

/** Builds a vocabulary. Its control tokens are ChatML's for BPE, Gemma's for SPM. */
export function tinyVocabulary(options: TinyVocabularyOptions): TinyVocabulary {
  return options.kind === 'bpe' ? bpe(options) : spm(options);
}

const respell = (text: string, space: string): string => text.replaceAll('_', space);

function bpe(options: TinyVocabularyOptions): TinyVocabulary {
  const tokens = new TokenList();
  for (const name of ['<|endoftext|>', '<|im_start|>', '<|im_end|>'])
    tokens.add(name, Kind.Control);
  for (let byte = 0; byte < 256; byte++) tokens.add(byteLetter(byte), Kind.Normal);
  for (const [left, right] of merges) tokens.add(respell(left + right, 'Ġ'), Kind.Normal);
  tokens.fill(options.size, 'Ġ#');
  return {
    size: tokens.names.length,
    values: new Map<string, GgufInput>([
      ['tokenizer.ggml.model', 'gpt2'],
      ['tokenizer.ggml.pre', options.pre ?? 'gpt-2'],
      ...tokens.values(),
      [
        'tokenizer.ggml.merges',
        { strings: merges.map(([left, right]) => respell(`${left} ${right}`, 'Ġ')) },
      ],
      ['tokenizer.ggml.bos_token_id', { u32: tokens.id('<|im_start|>') }],
      ['tokenizer.ggml.eos_token_id', { u32: tokens.id('<|im_end|>') }],
      ['tokenizer.ggml.add_bos_token', options.addBos ?? false],
    ]),
  };
}

function spm(options: TinyVocabularyOptions): TinyVocabulary {
  const tokens = new TokenList();
  tokens.add('<unk>', Kind.Unknown);
  tokens.add('<s>', Kind.Control);
  tokens.add('</s>', Kind.Control);
  tokens.add('<start_of_turn>', Kind.Control);
  tokens.add('<end_of_turn>', Kind.Control);
  for (let byte = 0; byte < 256; byte++) {
    tokens.add(`<0x${byte.toString(16).toUpperCase().padStart(2, '0')}>`, Kind.Byte);
  }
  for (const name of ['\n', '\n\n', '<mark>']) tokens.add(name, Kind.UserDefined);
  // Better merges have higher scores.
  merges.forEach(([left, right], rank) =>
    tokens.add(respell(left + right, '▁'), Kind.Normal, -rank),
  );
  const letters =
    '▁etaoinshrdlucmfwypvbgkjqxzETAOINSHRDLUCMFWYPVBGKJQXZ0123456789.,;:!?\'"()-éü你好';
  let rank = merges.length;
  for (const letter of letters) tokens.add(letter, Kind.Normal, -rank++);
  tokens.fill(options.size, '▁#', -rank);
  return {
    size: tokens.names.length,
    values: new Map<string, GgufInput>([
      ['tokenizer.ggml.model', 'llama'],
      ['tokenizer.ggml.pre', 'default'],
      ...tokens.values(),
      ['tokenizer.ggml.scores', { floats: tokens.scores }],
      ['tokenizer.ggml.bos_token_id', { u32: tokens.id('<s>') }],
      ['tokenizer.ggml.eos_token_id', { u32: tokens.id('</s>') }],
      ['tokenizer.ggml.unknown_token_id', { u32: tokens.id('<unk>') }],
      ['tokenizer.ggml.add_bos_token', options.addBos ?? true],
      ['tokenizer.ggml.add_space_prefix', options.spacePrefix ?? false],
    ]),
  };
}

/** libllama ends the process on a vocabulary that holds a token twice, so this adds each once. */
class TokenList {
  readonly names: string[] = [];
  readonly scores: number[] = [];
  readonly #kinds: number[] = [];
  readonly #ids = new Map<string, number>();

  add(name: string, kind: number, score = 0): void {
    if (this.#ids.has(name)) return;
    this.#ids.set(name, this.names.length);
    this.names.push(name);
    this.#kinds.push(kind);
    this.scores.push(score);
  }

  id(name: string): number {
    return this.#ids.get(name) ?? 0;
  }

  fill(size: number | undefined, prefix: string, score = 0): void {
    const least = this.names.length;
    if (size === undefined) return;
    if (size < least) {
      throw new InvalidArgumentError(
        `A tiny vocabulary has at least ${least} tokens; ${size} were asked for.`,
      );
    }
    for (let i = 0; this.names.length < size; i++) this.add(`${prefix}${i}`, Kind.Normal, score);
  }

  values(): [string, GgufInput][] {
    return [
      ['tokenizer.ggml.tokens', { strings: this.names }],
      ['tokenizer.ggml.token_type', { ints: this.#kinds }],
    ];
  }
}
