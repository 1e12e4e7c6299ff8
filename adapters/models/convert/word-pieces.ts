import { readFile } from 'node:fs/promises';
import { join } from 'node:path';
import { ModelFileError } from '../../../lib/errors.js';
import { isObject, type JsonObject, readObject } from './json-file.js';

/** `enum llama_token_type`, the members that are written. */
const Kind = { Normal: 1, Control: 3, UserDefined: 4, Unused: 5 } as const;

const special = ['cls', 'sep', 'unk', 'pad', 'mask'] as const;
type Special = (typeof special)[number];

/** A WordPiece vocabulary as llama.cpp reads it. */
export interface WordPieces {
  /** Spelled with U+2581 where a word begins, without `##` where it goes on. */
  readonly tokens: readonly string[];
  readonly kinds: readonly number[];
  readonly ids: Readonly<Partial<Record<Special, number>>> & {
    readonly cls: number;
    readonly sep: number;
    readonly unk: number;
  };
  readonly lowercase: boolean;
  readonly stripAccents: boolean;
}

const CONTINUES = '##';
const BEGINS = '\u2581';

interface RawVocabulary {
  readonly path: string;
  readonly words: ReadonlyMap<string, number>;
  readonly added: ReadonlyMap<number, 'special' | 'plain'>;
  readonly lowercase: boolean;
  readonly stripAccents: boolean | undefined;
}

/**
 * Reads the vocabulary of a BERT model from `tokenizer.json`, else from `vocab.txt`.
 * @param size rows of the embedding; tokens that the vocabulary does not name become unused ones.
 * @throws ModelFileError
 */
export async function readWordPieces(folder: string, size: number): Promise<WordPieces> {
  const settings = (await readObject(join(folder, 'tokenizer_config.json'))) ?? {};
  const raw = (await fromJson(folder)) ?? (await fromList(folder, settings));
  const { path, words, added } = raw;
  const names: (string | undefined)[] = Array.from({ length: size });
  for (const [word, id] of words) {
    if (!Number.isInteger(id) || id < 0 || id >= size) {
      throw new ModelFileError(path, `its token "${word}" has the id ${id}; there are ${size}.`);
    }
    if (names[id] !== undefined) throw new ModelFileError(path, `it gives the id ${id} twice.`);
    names[id] = word;
  }
  const map = (await readObject(join(folder, 'special_tokens_map.json'))) ?? {};
  const ids: Partial<Record<Special, number>> = {};
  for (const name of special) {
    const id = words.get(specialName(name, [map, settings]));
    if (id !== undefined) ids[name] = id;
  }
  const { cls, sep, unk } = ids;
  if (cls === undefined || sep === undefined || unk === undefined) {
    throw new ModelFileError(path, 'it lacks a token that begins, ends or stands for the unknown.');
  }
  const control = new Set(Object.values(ids));
  const kinds = names.map((name, id) => {
    if (name === undefined) return Kind.Unused;
    if (control.has(id) || added.get(id) === 'special') return Kind.Control;
    return added.has(id) ? Kind.UserDefined : Kind.Normal;
  });
  const tokens = names.map((name, id) => spell(name, kinds[id] as number, id));
  checkUnique(path, tokens);
  const { lowercase, stripAccents = lowercase } = raw;
  return { tokens, kinds, ids: { ...ids, cls, sep, unk }, lowercase, stripAccents };
}

function spell(name: string | undefined, kind: number, id: number): string {
  if (name === undefined) return `[PAD${id}]`;
  if (kind === Kind.Control) return name;
  return name.startsWith(CONTINUES) ? name.slice(CONTINUES.length) : BEGINS + name;
}

/** llama.cpp ends the process on a vocabulary that holds a token twice, and takes a zero byte for a token's end. */
function checkUnique(path: string, tokens: readonly string[]): void {
  const seen = new Set<string>();
  for (const token of tokens) {
    if (token === '' || token.includes('\0') || seen.has(token)) {
      throw new ModelFileError(
        path,
        `its token "${token}" is empty, there twice, or has zero bytes.`,
      );
    }
    seen.add(token);
  }
}

function specialName(name: Special, files: readonly JsonObject[]): string {
  for (const file of files) {
    const value = file[`${name}_token`];
    const text = isObject(value) ? value['content'] : value;
    if (typeof text === 'string') return text;
  }
  return `[${name.toUpperCase()}]`;
}

async function fromJson(folder: string): Promise<RawVocabulary | undefined> {
  const path = join(folder, 'tokenizer.json');
  const file = await readObject(path);
  if (!file) return undefined;
  const refuse = (problem: string): never => {
    throw new ModelFileError(path, problem);
  };
  const { model, normalizer, added_tokens: list } = file;
  if (!isObject(model) || !isObject(model['vocab'])) return refuse('it holds no vocabulary.');
  if ((model['type'] ?? 'WordPiece') !== 'WordPiece') {
    refuse(`its tokenizer is ${JSON.stringify(model['type'])}; WordPiece can be converted.`);
  }
  if ((model['continuing_subword_prefix'] ?? CONTINUES) !== CONTINUES) {
    refuse(`it marks pieces of a word otherwise than by "${CONTINUES}".`);
  }
  if (!isObject(normalizer) || normalizer['type'] !== 'BertNormalizer') {
    return refuse('its normalizer is not that of BERT.');
  }
  if (normalizer['handle_chinese_chars'] === false) {
    refuse('it leaves Chinese characters together, which llama.cpp does not.');
  }
  const words = new Map<string, number>(Object.entries(model['vocab'] as Record<string, number>));
  const added = new Map<number, 'special' | 'plain'>();
  for (const item of Array.isArray(list) ? (list as unknown[]) : []) {
    const { id, content, special: isSpecial } = isObject(item) ? item : {};
    if (typeof id !== 'number' || typeof content !== 'string') return refuse('it adds no token.');
    words.set(content, id);
    added.set(id, isSpecial === true ? 'special' : 'plain');
  }
  const strip = normalizer['strip_accents'];
  return {
    path,
    words,
    added,
    lowercase: normalizer['lowercase'] !== false,
    stripAccents: typeof strip === 'boolean' ? strip : undefined,
  };
}

async function fromList(folder: string, settings: JsonObject): Promise<RawVocabulary> {
  const path = join(folder, 'vocab.txt');
  let text: string;
  try {
    text = await readFile(path, 'utf8');
  } catch (cause) {
    throw new ModelFileError(path, 'there is neither tokenizer.json nor this file.', { cause });
  }
  const lines = text.split(/\r?\n/);
  if (lines.at(-1) === '') lines.pop();
  const words = new Map(lines.map((line, id) => [line, id]));
  if (words.size !== lines.length) throw new ModelFileError(path, 'it holds a token twice.');
  const strip = settings['strip_accents'];
  return {
    path,
    words,
    added: new Map(),
    lowercase: settings['do_lower_case'] !== false,
    stripAccents: typeof strip === 'boolean' ? strip : undefined,
  };
}
