import { createHash } from 'node:crypto';
import { open } from 'node:fs/promises';
import { ModelFileError } from '../../lib/errors.js';
import { runSteps, type Steps } from '../../lib/pace.js';
import type { GgufHeader } from './gguf.js';

/** What a model file says of its vocabulary, read before libllama loads it. */
export interface VocabularyFacts {
  /** `spm`: SentencePiece with scores; `bpe`: byte-level BPE with merges. */
  readonly kind: 'spm' | 'bpe';
  /** Name of the pre-tokenizer, for BPE. */
  readonly pre: string;
  /** Whether libllama puts a space before a text. */
  readonly spacePrefix: boolean;
  /** Hash of all that tokenisation depends on. */
  readonly fingerprint: string;
  /** Tokens that may be special or matched whole, by kind or by looks. */
  readonly candidates: readonly { readonly id: number; readonly text: string }[];
  /** The token of each byte, or -1: 256 entries. */
  readonly byteTokens: Int32Array;
  /** A control character that occurs in no longer token, so that nothing merges with it. */
  readonly separator: string;
}

/** Changes whenever the same vocabulary is made to give other ids. */
const ALGORITHM = 1;
const MOST_HEADER = 2 ** 31 - 1;
/** `enum llama_token_type`. */
const NORMAL = 1;
const BYTE = 6;

const scalarBytes = [1, 1, 2, 2, 4, 4, 4, 1, 0, 0, 8, 8, 8];
const STRING = 8;
const ARRAY = 9;
const INT32 = 5;

/**
 * Reads the vocabulary of a file whose header was checked by `readGguf`, and refuses what libllama answers by
 * ending the process: a token that is there twice, or SentencePiece without byte tokens.
 * @throws ModelFileError
 */
export async function readVocabulary(
  header: GgufHeader,
  signal?: AbortSignal,
): Promise<VocabularyFacts> {
  const { path } = header;
  const model = header.values.get('tokenizer.ggml.model');
  if (model !== 'llama' && model !== 'gpt2') {
    throw new ModelFileError(
      path,
      `its tokenizer is of type "${typeof model === 'string' ? model : 'none'}"; "llama" (SentencePiece) and "gpt2" (byte-level BPE) can be read.`,
    );
  }
  const { entries, tokens, kinds } = await readTokens(header, signal);
  const kind = model === 'llama' ? 'spm' : 'bpe';
  const scan = await runSteps(scanTokens(tokens, kinds, kind, path), { signal });
  const prefix = header.values.get('tokenizer.ggml.add_space_prefix');
  const pre = header.values.get('tokenizer.ggml.pre');
  return {
    ...scan,
    kind,
    pre: typeof pre === 'string' ? pre : '',
    spacePrefix: kind === 'spm' && prefix !== false,
    fingerprint: await runSteps(fingerprint(entries, header), { signal }),
  };
}

/** The token list of a file and their kinds. @throws ModelFileError */
async function readTokens(
  header: GgufHeader,
  signal: AbortSignal | undefined,
): Promise<{ entries: Map<string, Entry>; tokens: Entry; kinds: (id: number) => number }> {
  const { path } = header;
  const region = await readHeader(header);
  const entries = await runSteps(listEntries(region, path), { signal });
  const tokens = entries.get('tokenizer.ggml.tokens');
  if (tokens?.type !== ARRAY || tokens.itemType !== STRING || tokens.count < 1) {
    throw new ModelFileError(path, 'it holds no vocabulary.');
  }
  const kinds = readKinds(entries.get('tokenizer.ggml.token_type'), tokens.count);
  return { entries, tokens, kinds };
}

/**
 * Reads a WordPiece vocabulary, and refuses what libllama answers by ending the process: a token that is there twice,
 * or one for a byte, which WordPiece does not have.
 * @returns the number of tokens.
 * @throws ModelFileError
 */
export async function checkWordPieces(header: GgufHeader, signal?: AbortSignal): Promise<number> {
  const { path } = header;
  const model = header.values.get('tokenizer.ggml.model');
  if (model !== 'bert') {
    throw new ModelFileError(
      path,
      `its tokenizer is of type "${typeof model === 'string' ? model : 'none'}"; "bert" (WordPiece) can be read.`,
    );
  }
  const { tokens, kinds } = await readTokens(header, signal);
  await runSteps(scanPieces(tokens, kinds, path), { signal });
  return tokens.count;
}

function* scanPieces(tokens: Entry, kindOf: (id: number) => number, path: string): Steps<void> {
  const ids = new Map<string, number>();
  for (const [id, raw] of namesOf(tokens)) {
    if (kindOf(id) === BYTE) throw new ModelFileError(path, `its token ${id} stands for a byte.`);
    addName(ids, raw, id, path);
    if (id % 4096 === 4095) yield id / tokens.count;
  }
}

/** One value of the header, as bytes. */
interface Entry {
  readonly type: number;
  readonly bytes: Buffer;
  /** Of arrays: type and number of the items, and the bytes of the items. */
  readonly itemType: number;
  readonly count: number;
  readonly items: Buffer;
}

async function readHeader(header: GgufHeader): Promise<Buffer> {
  let end = header.fileBytes;
  for (const tensor of header.tensors.values()) end = Math.min(end, tensor.offset);
  if (end > MOST_HEADER) throw new ModelFileError(header.path, 'its header is too large.');
  const region = Buffer.alloc(end);
  const file = await open(header.path, 'r');
  try {
    for (let at = 0; at < end;) {
      const { bytesRead } = await file.read(region, at, Math.min(end - at, 4 << 20), at);
      if (bytesRead === 0) throw new ModelFileError(header.path, 'its header is cut short.');
      at += bytesRead;
    }
  } finally {
    await file.close();
  }
  return region;
}

/** Values whose keys begin with `tokenizer.`. */
function* listEntries(region: Buffer, path: string): Steps<Map<string, Entry>> {
  const entries = new Map<string, Entry>();
  let at = 16;
  const need = (bytes: number): number => {
    const from = at;
    at += bytes;
    if (at > region.length) throw new ModelFileError(path, 'its header is cut short.');
    return from;
  };
  const u32 = (): number => region.readUInt32LE(need(4));
  const u64 = (): number => Number(region.readBigUInt64LE(need(8)));
  const valueCount = u64();
  for (let i = 0; i < valueCount; i++) {
    const keyLength = u64();
    const key = region.toString('utf8', need(keyLength), at);
    const start = at;
    const type = u32();
    let itemType = type;
    let count = 1;
    if (type === ARRAY) {
      itemType = u32();
      count = u64();
    }
    const items = at;
    if (itemType === STRING) {
      for (let item = 0; item < count; item++) {
        need(u64());
        if (item % 4096 === 4095) yield at / region.length;
      }
    } else {
      need(count * (scalarBytes[itemType] ?? 0));
    }
    if (key.startsWith('tokenizer.')) {
      entries.set(key, {
        type,
        bytes: region.subarray(start, at),
        itemType,
        count,
        items: region.subarray(items, at),
      });
    }
    yield at / region.length;
  }
  return entries;
}

function readKinds(entry: Entry | undefined, count: number): (id: number) => number {
  if (entry?.type !== ARRAY || entry.itemType !== INT32 || entry.count < count) {
    return () => NORMAL;
  }
  return (id) => entry.items.readInt32LE(id * 4);
}

function* scanTokens(
  tokens: Entry,
  kindOf: (id: number) => number,
  kind: 'spm' | 'bpe',
  path: string,
): Steps<Pick<VocabularyFacts, 'candidates' | 'byteTokens' | 'separator'>> {
  const candidates: { id: number; text: string }[] = [];
  const ids = new Map<string, number>();
  const joined = new Set<string>();
  for (const [id, raw] of namesOf(tokens)) {
    addName(ids, raw, id, path);
    if (raw.length > 1) for (const control of raw.match(controls) ?? []) joined.add(control);
    if (kindOf(id) !== NORMAL || special.test(raw)) {
      candidates.push({ id, text: Buffer.from(raw, 'latin1').toString('utf8') });
    }
    if (id % 4096 === 4095) yield id / tokens.count;
  }
  const byteTokens = new Int32Array(256);
  for (let byte = 0; byte < 256; byte++) {
    const letter = Buffer.from(byteLetter(byte)).toString('latin1');
    byteTokens[byte] =
      (kind === 'spm'
        ? (ids.get(hexName(byte)) ?? ids.get(String.fromCharCode(byte)))
        : ids.get(letter)) ?? -1;
  }
  // SentencePiece needs all of them, BPE those that finish a character and those of U+FFFD.
  const needed = (byte: number): boolean =>
    kind === 'spm' || byte >> 6 === 2 || byte === 0xef || byte === 0xbf || byte === 0xbd;
  if (byteTokens.some((token, byte) => token < 0 && needed(byte))) {
    throw new ModelFileError(path, 'its vocabulary lacks tokens for single bytes.');
  }
  const separator = [...'\x01\x02\x03\x04\x05\x06'].find((letter) => !joined.has(letter));
  if (separator === undefined) {
    throw new ModelFileError(path, 'its vocabulary joins every control character to others.');
  }
  return { candidates, byteTokens, separator };
}

/** Ids and names of tokens, as libllama has them but in Latin-1, which keeps every byte and is fast. */
function* namesOf(tokens: Entry): Generator<[id: number, name: string]> {
  let at = 0;
  for (let id = 0; id < tokens.count; id++) {
    const length = Number(tokens.items.readBigUInt64LE(at));
    let raw = tokens.items.toString('latin1', at + 8, at + 8 + length);
    at += 8 + length;
    // libllama's strings end at the first zero byte.
    const end = raw.indexOf('\0');
    if (end >= 0) raw = raw.slice(0, end);
    yield [id, raw === '' ? `[EMPTY_${id}]` : raw];
  }
}

function addName(ids: Map<string, number>, name: string, id: number, path: string): void {
  if (ids.has(name)) {
    throw new ModelFileError(path, `its vocabulary holds a token twice (${ids.get(name)}, ${id}).`);
  }
  ids.set(name, id);
}

// oxlint-disable-next-line no-control-regex
const controls = /[\x01-\x06]/g;
/** libllama takes some tokens for control tokens by their text: `<|im_end|>`, `[EOT]`, `_<EOT>`, `▁<PRE>`. */
const special = /^(?:_|\xe2\x96\x81)?[<[]/;

const hexName = (byte: number): string => `<0x${byte.toString(16).toUpperCase().padStart(2, '0')}>`;

/**
 * The letter that stands for a byte in byte-level BPE (Radford et al. 2019): itself where it is printable
 * Latin-1, else the next free one from U+0100.
 */
export function byteLetter(byte: number): string {
  if (isPrintable(byte)) return String.fromCharCode(byte);
  let others = 0;
  for (let before = 0; before < byte; before++) if (!isPrintable(before)) others++;
  return String.fromCharCode(256 + others);
}

const isPrintable = (byte: number): boolean =>
  (byte >= 0x21 && byte <= 0x7e) || (byte >= 0xa1 && byte <= 0xac) || byte >= 0xae;

/** Templates don't change ids; all else under `tokenizer.` may. The order of the keys doesn't count. */
function* fingerprint(entries: ReadonlyMap<string, Entry>, header: GgufHeader): Steps<string> {
  const total = createHash('sha256').update(`chunkweave tokenizer ${ALGORITHM}\n`);
  for (const key of [...entries.keys()].toSorted()) {
    if (key.startsWith('tokenizer.chat_template')) continue;
    const bytes = entries.get(key)?.bytes ?? Buffer.alloc(0);
    const hash = createHash('sha256');
    for (let at = 0; at < bytes.length; at += 1 << 20) {
      hash.update(bytes.subarray(at, at + (1 << 20)));
      yield 0.5;
    }
    total.update(`${key}\n${hash.digest('hex')}\n`);
  }
  // libllama gives the special tokens of these models other properties, by name.
  const name = header.values.get('general.name');
  if (typeof name === 'string' && /phi-?3/i.test(name)) total.update('phi3');
  return total.digest('hex');
}
