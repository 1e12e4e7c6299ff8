import { createHash } from 'node:crypto';
import {
  DisposedError,
  InvalidArgumentError,
  ModelFileError,
  TokenizerError,
} from '../../lib/errors.js';
import type { EncodeOptions, TokenizedText, Tokenizer } from '../../lib/engine/tokenizer.js';
import { runSteps } from '../../lib/pace.js';
import { readGguf } from './gguf.js';
import { callAsync } from './native/ggml.js';
import { NO_DEVICES, TokenAttr } from './native/llama.js';
import type { ModelPtr, VocabPtr } from './native/pointer.js';
import type { Runtime } from './native/runtime.js';
import { cutSegments, isLowOfPair, type Literal, LiteralSet, type Segment } from './segments.js';
import { TokenParts } from './token-parts.js';
import { locate, TokenTable } from './token-table.js';
import { spellingLimits } from './spelling-limits.js';
import { readVocabulary, type VocabularyFacts } from './vocabulary.js';

/** A {@link Tokenizer} over libllama. */
export interface NativeTokenizer extends Tokenizer, AsyncDisposable {
  /** The vocabulary; valid until disposal, or as long as it is retained. */
  readonly vocabulary: VocabPtr;
  /** Keeps the vocabulary alive beyond `dispose()` until the returned function is called. */
  retain(): () => void;
  /** Waits for running calls, then frees the vocabulary unless it is retained. */
  dispose(): Promise<void>;
}

export interface TokenizerOptions {
  readonly signal?: AbortSignal;
  /**
   * Most UTF-16 units that are tokenised at once; default 32,768. Part of what the ids depend on, in texts
   * without a border for that long.
   */
  readonly slice?: number;
}

const SLICE = 32768;
/** Texts up to this many units are tokenised at once, in well under 1 ms: faster than asking the pool. */
const SHORT = 512;

/**
 * Loads the vocabulary of a model file, without its weights and off the event loop.
 *
 * Tokenisation is libllama's, with these differences, so that every text comes back as it was: no space is
 * put before a text; `▁` in a text for SentencePiece is spelled in bytes; characters whose bytes the
 * vocabulary lacks (SmolLM2 has no U+0004, for example) become U+FFFD; long texts are tokenised in slices
 * (see `cutSegments`). Tokens that the file calls user-defined stand for their text and are matched anywhere.
 * @throws ModelFileError
 */
export async function createTokenizer(
  runtime: Runtime,
  path: string,
  options: TokenizerOptions = {},
): Promise<NativeTokenizer> {
  const { signal, slice = SLICE } = options;
  if (!Number.isInteger(slice) || slice < 8) {
    throw new InvalidArgumentError(`slice is ${slice}; it must be an integer of at least 8.`);
  }
  const header = await readGguf(path);
  const facts = await readVocabulary(header, signal);
  const { llama } = runtime;
  const params = llama.modelParams({
    vocab_only: true,
    load_mode: 0,
    devices: NO_DEVICES,
    n_gpu_layers: 0,
  });
  const model = await callAsync(llama.modelLoad, path, params);
  if (!model) throw new ModelFileError(path, 'llama.cpp does not load its vocabulary.');
  try {
    signal?.throwIfAborted();
    return new LlamaTokenizer({ runtime, model, facts, slice });
  } catch (error) {
    await callAsync(llama.modelFree, model);
    throw error;
  }
}

class LlamaTokenizer implements NativeTokenizer {
  readonly fingerprint: string;
  readonly vocabSize: number;
  readonly bos: number;
  readonly eos: number;
  readonly addBos: boolean;
  readonly vocabulary: VocabPtr;
  readonly #runtime: Runtime;
  readonly #model: ModelPtr;
  readonly #facts: VocabularyFacts;
  readonly #slice: number;
  readonly #run: number;
  readonly #table: TokenTable;
  /** Put before a text to keep libllama's space away from it; `#prefixTokens` tokens. */
  #prefix = '';
  #prefixTokens = 0;
  readonly #unspellable: RegExp | undefined;
  readonly #plainLiterals: LiteralSet;
  #specialLiterals: LiteralSet | undefined;
  readonly #disarmed = new Map<number, Int32Array>();
  #holds = 1;
  #running = 0;
  #idle: (() => void) | undefined;
  #disposed: Promise<void> | undefined;

  constructor(parts: { runtime: Runtime; model: ModelPtr; facts: VocabularyFacts; slice: number }) {
    const { runtime, model, facts } = parts;
    const { llama } = runtime;
    this.#runtime = runtime;
    this.#model = model;
    this.#facts = facts;
    const limits = spellingLimits(runtime, facts);
    this.#slice = parts.slice;
    this.#run = limits.run;
    this.#unspellable = limits.unspellable;
    this.vocabulary = llama.modelVocab(model);
    this.vocabSize = llama.vocabSize(this.vocabulary);
    this.fingerprint = createHash('sha256')
      .update(`${facts.fingerprint} ${this.#slice} ${this.#run}`)
      .digest('hex');
    this.#table = new TokenTable(llama, this.vocabulary, this.vocabSize);
    this.bos = this.#specialOrNone(llama.bos(this.vocabulary));
    this.eos = this.#specialOrNone(llama.eos(this.vocabulary));
    this.addBos = this.bos >= 0 && llama.addBos(this.vocabulary);
    if (facts.spacePrefix) {
      this.#prefixTokens = this.#native(facts.separator).length;
      this.#prefix = facts.separator;
    }
    const literals = [...this.#spelledSpace()];
    // libllama would put its space after each of these.
    if (facts.spacePrefix) literals.push(...this.#literals(TokenAttr.UserDefined));
    this.#plainLiterals = new LiteralSet(literals);
  }

  async encode(text: string, options: EncodeOptions = {}): Promise<TokenizedText> {
    const { signal, special = false } = options;
    this.#assertUsable();
    signal?.throwIfAborted();
    if (typeof text !== 'string') throw new InvalidArgumentError('The text is not a string.');
    const literals = special ? this.#withSpecials() : this.#plainLiterals;
    const parts = new TokenParts();
    let scratch: Scratch | undefined;
    this.#running++;
    try {
      for (const segment of cutSegments(text, { slice: this.#slice, run: this.#run, literals })) {
        if (segment.literal) {
          parts.addLiteral(segment, segment.literal);
        } else {
          const plain = this.#spellable(text.slice(segment.start, segment.end));
          const ids =
            text.length <= SHORT
              ? this.#native(plain)
              : await this.#nativeAsync(plain, (scratch ??= new Scratch(this.#slice)));
          await runSteps(this.#table.prepare(ids), { signal });
          this.#addPlain(parts, text, segment, plain, ids);
        }
        signal?.throwIfAborted();
      }
    } finally {
      this.#running--;
      if (this.#running === 0) this.#idle?.();
    }
    return runSteps(parts.join(text.length), { signal });
  }

  decode(tokens: ArrayLike<number>, options: { special?: boolean } = {}): string {
    const pieces: Uint8Array[] = [];
    for (let i = 0; i < tokens.length; i++) {
      const token = this.#check(tokens[i] as number);
      const isHidden = this.#table.isSpecial(token);
      if (!isHidden) pieces.push(this.#table.bytes(token));
      else if (options.special) pieces.push(Buffer.from(this.name(token)));
    }
    return Buffer.concat(pieces).toString('utf8');
  }

  bytes(token: number): Uint8Array {
    return this.#table.bytes(this.#check(token));
  }

  name(token: number): string {
    this.#check(token);
    this.#assertUsable();
    return this.#runtime.llama.tokenText(this.vocabulary, token);
  }

  isEndOfGeneration(token: number): boolean {
    return this.#table.isEndOfGeneration(this.#check(token));
  }

  isSpecial(token: number): boolean {
    return this.#table.isSpecial(this.#check(token));
  }

  retain(): () => void {
    this.#assertUsable();
    this.#holds++;
    let isHeld = true;
    return () => {
      if (isHeld) void this.#release();
      isHeld = false;
    };
  }

  dispose(): Promise<void> {
    this.#disposed ??= (async () => {
      if (this.#running > 0) await new Promise<void>((resolve) => (this.#idle = resolve));
      this.#table.close();
      await this.#release();
    })();
    return this.#disposed;
  }

  async [Symbol.asyncDispose](): Promise<void> {
    await this.dispose();
  }

  /** Freeing a vocabulary takes tens of milliseconds, so it is left to the pool. */
  async #release(): Promise<void> {
    if (--this.#holds === 0) await callAsync(this.#runtime.llama.modelFree, this.#model);
  }

  #assertUsable(): void {
    if (this.#disposed) throw new DisposedError('tokenizer');
  }

  #check(token: number): number {
    if (!Number.isInteger(token) || token < 0 || token >= this.vocabSize) {
      throw new InvalidArgumentError(`Token ${token} is not in [0, ${this.vocabSize}).`);
    }
    return token;
  }

  /** libllama has defaults for BOS and EOS that are ordinary tokens of other vocabularies. */
  #specialOrNone(token: number): number {
    return token >= 0 && token < this.vocabSize && this.#table.isSpecial(token) ? token : -1;
  }

  #spellable(text: string): string {
    // One replacement for each UTF-16 unit, so that places in the text stay what they are.
    return this.#unspellable
      ? text.replace(this.#unspellable, (found) => '\uFFFD'.repeat(found.length))
      : text;
  }

  #addPlain(
    parts: TokenParts,
    text: string,
    segment: Segment,
    plain: string,
    found: Int32Array,
  ): void {
    const ids = this.#disarm(found);
    const starts = new Int32Array(ids.length);
    if (!locate(plain, ids, this.#table, starts)) {
      throw new TokenizerError(
        `The tokens of the text from character ${segment.start} on do not spell it. The model's vocabulary is faulty; use another file of it.`,
      );
    }
    for (let i = 0; i < starts.length; i++) {
      const at = starts[i] as number;
      // An unspellable pair has become two characters, but stays one in the text.
      if (at >= 0) starts[i] = isLowOfPair(text, segment.start + at) ? -1 : segment.start + at;
    }
    parts.add(ids, starts);
  }

  /** Tokenises plain text at once. */
  #native(text: string): Int32Array {
    const scratch = new Scratch(text.length + this.#prefix.length);
    const bytes = scratch.write(this.#prefix + text);
    return this.#result(scratch, this.#runtime.llama.tokenize(...this.#call(scratch, bytes)));
  }

  /** Tokenises plain text on a thread of the pool. */
  async #nativeAsync(text: string, scratch: Scratch): Promise<Int32Array> {
    const bytes = scratch.write(this.#prefix + text);
    const call = this.#call(scratch, bytes);
    return this.#result(scratch, await callAsync(this.#runtime.llama.tokenize, ...call));
  }

  #call({ text, ids }: Scratch, bytes: number) {
    const call = [this.vocabulary, text, bytes, ids, ids.length, false, false] as const;
    return [...call] as [...typeof call];
  }

  #result({ ids }: Scratch, count: number): Int32Array {
    if (count < 0) throw new TokenizerError('The text has more tokens than bytes.');
    return ids.slice(this.#prefix ? this.#prefixTokens : 0, count);
  }

  /** Spells special tokens that merges have made of ordinary text, so that text never turns into one. */
  #disarm(ids: Int32Array): Int32Array {
    let isSafe = true;
    for (let i = 0; i < ids.length && isSafe; i++) {
      isSafe = this.#table.byteLength(ids[i] as number) > 0;
    }
    if (isSafe) return ids;
    const safe: number[] = [];
    for (const id of ids) {
      if (this.#table.isSpecial(id)) safe.push(...this.#spell(id));
      else safe.push(id);
    }
    return Int32Array.from(safe);
  }

  #spell(special: number): Int32Array {
    let ids = this.#disarmed.get(special);
    if (!ids) {
      const name = this.#nameAsText(special);
      const letters = [...name].flatMap((letter) => [...this.#native(letter)]);
      if (letters.some((id) => this.#table.isSpecial(id))) {
        throw new TokenizerError(
          `The text "${name}" cannot be spelled without the special token ${special}.`,
        );
      }
      ids = Int32Array.from(letters);
      this.#disarmed.set(special, ids);
    }
    return ids;
  }

  #nameAsText(token: number): string {
    const name = this.name(token);
    if (this.#facts.kind === 'spm') return name.replaceAll('\u2581', ' ');
    return name;
  }

  /** U+2581 stands for a space in SentencePiece's pieces; in a text it is spelled by its bytes. */
  #spelledSpace(): Literal[] {
    if (this.#facts.kind !== 'spm') return [];
    const ids = [...Buffer.from('\u2581')].map((byte) => this.#facts.byteTokens[byte] ?? -1);
    return [{ text: '\u2581', ids, stripsLeft: false, stripsRight: false }];
  }

  #withSpecials(): LiteralSet {
    this.#specialLiterals ??= new LiteralSet([
      ...this.#spelledSpace(),
      ...this.#literals(TokenAttr.Control | TokenAttr.Unknown | TokenAttr.UserDefined),
    ]);
    return this.#specialLiterals;
  }

  #literals(kinds: number): Literal[] {
    const found: Literal[] = [];
    for (const { id, text } of this.#facts.candidates) {
      const attributes = this.#runtime.llama.tokenAttr(this.vocabulary, id);
      if (!(attributes & kinds)) continue;
      found.push({
        text,
        ids: [id],
        stripsLeft: (attributes & TokenAttr.StripsLeft) !== 0,
        stripsRight: (attributes & TokenAttr.StripsRight) !== 0,
      });
    }
    return found;
  }
}

/** Memory of native calls, used again for every part of a text. */
class Scratch {
  readonly text: Buffer;
  readonly ids: Int32Array;

  constructor(units: number) {
    // A UTF-16 unit takes three bytes at most; a separator may stand before the text.
    this.text = Buffer.allocUnsafeSlow(3 * units + 8);
    // Every token but that of the space which libllama may add stands for a byte at least.
    this.ids = new Int32Array(3 * units + 16);
  }

  /** Returns the number of bytes. */
  write(text: string): number {
    return this.text.write(text);
  }
}
