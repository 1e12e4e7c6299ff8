import { Packr } from 'msgpackr';
import type { ChunkKv } from '../../lib/engine/chunk-kv.js';
import { layerBytes } from '../../lib/engine/chunk-kv.js';
import type { ChunkRecord, RecordNotes } from '../../lib/store/chunk-store.js';
import { isKey } from '../../lib/store/chunk-key.js';
import { codecByName } from '../../lib/store/codec/by-name.js';
import type { KvCodec } from '../../lib/store/codec/codec.js';
import { recordProblem } from '../../lib/store/record.js';
import { BadRecord } from './bad-record.js';
import { assertDetails } from './details.js';
import type { RecordLayout } from './header.js';
import { packedProblem } from './packed-values.js';

/**
 * Structures of records would be kept between calls, and hostile bytes could name them. Bytes are copied, so that
 * notes do not keep what surrounds them in memory.
 */
const packer = new Packr({ useRecords: false, variableMapSize: true, copyBuffers: true });

/** A record's metadata: all but the bytes of its layers. */
export interface Metadata {
  readonly key: string;
  readonly record: Omit<ChunkRecord, 'kv'> & { readonly kv: Omit<ChunkKv, 'data'> };
  readonly codec: KvCodec;
}

/** @throws InvalidArgumentError for details that could not be read again. */
export function packMetadata(key: string, record: ChunkRecord, codec: KvCodec): Uint8Array {
  const { kv, computeMs, created, source, context, details } = record;
  if (details !== undefined) assertDetails(details);
  return packer.pack({
    key,
    codec: codec.name,
    fingerprint: kv.fingerprint,
    layout: { ...kv.layout },
    layers: { ...kv.layers },
    tokens: tokenBytes(kv.tokens),
    computeMs,
    created,
    ...(source && { source: { ...source } }),
    ...(context && { context: { ...context, chunks: [...context.chunks] } }),
    ...(details !== undefined && { details }),
  });
}

/**
 * Trusts nothing: every field is checked, and what it says of sizes is held against the header's.
 * @throws BadRecord
 */
export function parseMetadata(
  preamble: Uint8Array,
  layout: RecordLayout,
  key: string | undefined,
): Metadata {
  const { metadataOffset, metadataBytes } = layout;
  const fields = unpack(preamble.subarray(metadataOffset, metadataOffset + metadataBytes));
  const shape = objectOf(fields['layout']);
  const range = objectOf(fields['layers']);
  const { fingerprint, tokens, key: ownKey } = fields;
  if (!isKey(ownKey) || (key !== undefined && ownKey !== key)) bad('it is of another key');
  if (typeof fingerprint !== 'string' || !(tokens instanceof Uint8Array) || tokens.byteLength % 4) {
    bad('its metadata are incomplete');
  }
  const name = fields['codec'];
  const codec = typeof name === 'string' ? codecByName(name) : undefined;
  if (!codec) throw new BadRecord(`its codec ${String(name).slice(0, 40)} is unknown`, 'format');
  const kv = {
    fingerprint,
    layout: {
      layers: numberOf(shape['layers']),
      keyWidth: numberOf(shape['keyWidth']),
      valueWidth: numberOf(shape['valueWidth']),
      type: shape['type'] === 'f16' ? ('f16' as const) : bad('its type is unknown'),
    },
    layers: { from: numberOf(range['from']), to: numberOf(range['to']) },
    tokens: tokensOf(tokens),
  };
  const record = {
    kv,
    computeMs: numberOf(fields['computeMs']),
    created: numberOf(fields['created']),
    ...notesOf(fields),
  };
  checkShape(record, layout, codec);
  return { key: ownKey, record, codec };
}

function unpack(packed: Uint8Array): Record<string, unknown> {
  const problem = packedProblem(packed);
  if (problem) bad(`its metadata cannot be read: ${problem}`);
  try {
    return objectOf(packer.unpack(packed));
  } catch (error) {
    if (error instanceof BadRecord) throw error;
    throw new BadRecord('its metadata cannot be read');
  }
}

function checkShape(record: Metadata['record'], layout: RecordLayout, codec: KvCodec): void {
  const { kv } = record;
  const count = kv.layers.to - kv.layers.from;
  const bytes = layerBytes(kv.layout, kv.tokens.length);
  // Stands in for the data: as long as they will be, and never touched.
  const data = { byteLength: count * bytes } as Uint8Array;
  const problem = recordProblem({ ...record, kv: { ...kv, data } });
  if (problem) bad(problem);
  const encoded = codec.encodedBytes({ layout: kv.layout, tokens: kv.tokens.length });
  if (count !== layout.blocks || encoded !== layout.blockBytes) {
    bad('its shape is not that of its blocks');
  }
}

function notesOf(fields: Record<string, unknown>): RecordNotes {
  const { source, context, details } = fields;
  return {
    ...(source !== undefined && { source: sourceOf(objectOf(source)) }),
    ...(context !== undefined && { context: contextOf(objectOf(context)) }),
    ...(details !== undefined && { details }),
  };
}

function sourceOf({ documentId, start, end }: Record<string, unknown>) {
  if (typeof documentId !== 'string') return bad('its source is unknown');
  return { documentId, start: numberOf(start), end: numberOf(end) };
}

function contextOf({ chunks, warmupTokens }: Record<string, unknown>) {
  if (!Array.isArray(chunks) || !chunks.every(isKey)) return bad('its context is unknown');
  return { chunks: chunks as string[], warmupTokens: numberOf(warmupTokens) };
}

function tokenBytes(tokens: Int32Array): Uint8Array {
  const bytes = new Uint8Array(tokens.length * 4);
  const view = new DataView(bytes.buffer);
  for (let i = 0; i < tokens.length; i++) view.setInt32(4 * i, tokens[i] as number, true);
  return bytes;
}

function tokensOf(bytes: Uint8Array): Int32Array {
  const view = new DataView(bytes.buffer, bytes.byteOffset, bytes.byteLength);
  const tokens = new Int32Array(bytes.byteLength / 4);
  for (let i = 0; i < tokens.length; i++) tokens[i] = view.getInt32(4 * i, true);
  return tokens;
}

function objectOf(value: unknown): Record<string, unknown> {
  if (typeof value !== 'object' || value === null) return bad('its metadata are incomplete');
  return value as Record<string, unknown>;
}

function numberOf(value: unknown): number {
  return typeof value === 'number' ? value : bad('its metadata are incomplete');
}

function bad(problem: string): never {
  throw new BadRecord(problem);
}
