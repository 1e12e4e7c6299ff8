import type { ModelInfo } from '../engine/model-info.js';
import type { Tokenizer } from '../engine/tokenizer.js';
import { InvalidArgumentError } from '../errors.js';

/** Version of the record format, part of every key: another format never meets this one's records. */
export const recordFormatVersion = 3;

/**
 * Version of what the numbers in a record mean (keys before rotation, values as they are). Raise it when
 * the same tokens would give other KV.
 */
export const kvMathVersion = 1;

/** The tenant of a weave that names none: its KV is shared by all who name none. */
export const publicTenant = 'public';

/** The access label of a weave that names none. */
export const noLabel = '';

/** Who may read a record. KV never crosses from one tenant or label to another. */
export interface Access {
  /** Default {@link publicTenant}. */
  readonly tenant?: string;
  /** Seals parts of a tenant's texts from each other, for example by clearance. Default {@link noLabel}. */
  readonly label?: string;
}

/** Names and defaults filled in. */
export function accessOf({ tenant = publicTenant, label = noLabel }: Access): Required<Access> {
  return { tenant, label };
}

export function isSameAccess(a: Required<Access>, b: Required<Access>): boolean {
  return a.tenant === b.tenant && a.label === b.label;
}

/** For messages. */
export function describeAccess({ tenant, label }: Required<Access>): string {
  const of = `tenant ${JSON.stringify(tenant)}`;
  return label === noLabel ? of : `${of} and label ${JSON.stringify(label)}`;
}

/** What all chunks of a weave have in common: where their KV may be used. */
export interface KeyScopeParts extends Access {
  readonly model: Pick<ModelInfo, 'fingerprint' | 'kv'>;
  readonly tokenizer: Pick<Tokenizer, 'fingerprint'>;
  /** Tokens that stand before every passage. */
  readonly prefix: Int32Array;
}

export interface ChunkKeyParts extends KeyScopeParts {
  /** The tokens whose KV the key names. */
  readonly tokens: Int32Array;
}

/** What a variant of a chunk was encoded after, besides the prefix. */
export interface VariantParts {
  /** Tokens of no chunk, right before the chunk. */
  readonly warmup?: Int32Array;
  /** Keys of earlier chunks, in their order. */
  readonly chunks?: readonly string[];
}

/** Makes keys that share model, prefix and access, hashing those once. */
export interface KeyScope {
  key(tokens: Int32Array): Promise<string>;
}

/** 64 hexadecimal digits: SHA-256 over everything that decides where a chunk's KV may be used. */
export async function chunkKey(parts: ChunkKeyParts): Promise<string> {
  return (await keyScope(parts)).key(parts.tokens);
}

/** A chunk's key, a dot, and 32 hexadecimal digits that name what the variant was encoded after. */
export async function variantKey(chunk: string, seen: VariantParts): Promise<string> {
  assertKey(chunk);
  return variantOf(chunk, await digestOf(seen));
}

/**
 * Names the mean of several variants of a chunk (see `meanKv`) by what each of them was encoded after, in that order.
 * Of one it is that variant's own key, of more never one that {@link variantKey} makes.
 *
 * @throws InvalidArgumentError without any, or for what is no key.
 */
export async function meanVariantKey(
  chunk: string,
  seen: readonly VariantParts[],
): Promise<string> {
  assertKey(chunk);
  const digests = await Promise.all(seen.map(digestOf));
  const [first, second] = digests;
  if (!first) throw new InvalidArgumentError('meanVariantKey: give what at least one variant saw.');
  if (!second) return variantOf(chunk, first);
  return variantOf(chunk, await digest([text('chunkweave mean variant'), ...digests]));
}

/** The key of the chunk that a key names or is a variant of. */
export function chunkOf(key: string): string {
  return key.slice(0, 64);
}

/**
 * Names what may be seen together: the folder, or the beginning of keys, that a store keeps records of one tenant
 * and label under. 32 hexadecimal digits, so no text of a user stands in a path.
 */
export async function accessName({
  tenant = publicTenant,
  label = noLabel,
}: Access): Promise<string> {
  const parts = [text('chunkweave access'), text(tenant), text(label)];
  return hex(await digest(parts)).slice(0, 32);
}

/** What all keys of a weave have in common, digested once: see {@link KeyScopeParts}. */
export async function keyScope(parts: KeyScopeParts): Promise<KeyScope> {
  const { model, tokenizer, prefix, tenant = publicTenant, label = noLabel } = parts;
  const scope = await digest([
    text('chunkweave scope'),
    numbers([recordFormatVersion, kvMathVersion]),
    text(model.fingerprint),
    text(model.kv.type),
    numbers([model.kv.layers, model.kv.keyWidth, model.kv.valueWidth]),
    text(tokenizer.fingerprint),
    text(tenant),
    text(label),
    littleEndian(prefix),
  ]);
  const kind = text('chunkweave chunk');
  return {
    key: async (tokens) => hex(await digest([kind, scope, littleEndian(tokens)])),
  };
}

const keyPattern = /^[0-9a-f]{64}(?:\.[0-9a-f]{32})?$/;

/** Whether it is the key of a chunk or of a variant. */
export function isKey(key: unknown): key is string {
  return typeof key === 'string' && key.length <= 97 && keyPattern.test(key);
}

/**
 * Keys become file names, so a store takes no others.
 * @throws InvalidArgumentError for anything but the keys of chunks and variants.
 */
export function assertKey(key: string): void {
  if (isKey(key)) return;
  const shown = typeof key === 'string' ? JSON.stringify(String(key).slice(0, 80)) : typeof key;
  throw new InvalidArgumentError(
    `A store key is 64 lower-case hexadecimal digits, as chunkKey() makes them, or such a key, a dot and 32 more, as variantKey() does; got ${shown}.`,
  );
}

async function digestOf({
  warmup = new Int32Array(0),
  chunks = [],
}: VariantParts): Promise<Uint8Array> {
  for (const key of chunks) assertKey(key);
  return digest([text('chunkweave variant'), littleEndian(warmup), ...chunks.map(text)]);
}

function variantOf(chunk: string, seen: Uint8Array): string {
  return `${chunkOf(chunk)}.${hex(seen).slice(0, 32)}`;
}

/** Hashes parts with their lengths in front, so no two lists of parts give the same bytes. */
async function digest(parts: readonly Uint8Array[]): Promise<Uint8Array> {
  let length = 0;
  for (const part of parts) length += 8 + part.byteLength;
  const bytes = new Uint8Array(length);
  const view = new DataView(bytes.buffer);
  let at = 0;
  for (const part of parts) {
    view.setBigUint64(at, BigInt(part.byteLength), true);
    bytes.set(part, at + 8);
    at += 8 + part.byteLength;
  }
  return new Uint8Array(await globalThis.crypto.subtle.digest('SHA-256', bytes));
}

/** UTF-16 units as bytes: unlike UTF-8, lone surrogates of two names never fall together. */
function text(value: string): Uint8Array {
  const bytes = new Uint8Array(value.length * 2);
  for (let i = 0; i < value.length; i++) {
    const unit = value.charCodeAt(i);
    bytes[2 * i] = unit & 0xff;
    bytes[2 * i + 1] = unit >>> 8;
  }
  return bytes;
}

function numbers(values: readonly number[]): Uint8Array {
  return littleEndian(Int32Array.from(values));
}

/** The same bytes on every platform. */
function littleEndian(tokens: Int32Array): Uint8Array {
  const bytes = new Uint8Array(tokens.length * 4);
  const view = new DataView(bytes.buffer);
  for (let i = 0; i < tokens.length; i++) view.setInt32(4 * i, tokens[i] as number, true);
  return bytes;
}

function hex(bytes: Uint8Array): string {
  let out = '';
  for (const byte of bytes) out += byte.toString(16).padStart(2, '0');
  return out;
}
