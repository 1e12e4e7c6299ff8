import { InvalidArgumentError } from '../errors.js';
import type { KvArena, KvSequence } from '../engine/arena.js';
import type { ChunkKv } from '../engine/chunk-kv.js';

/** What a chunk is encoded after, beside its prefix. */
interface ChunkInput {
  /**
   * Tokens between prefix and chunk that the chunk sees but that are not kept, for example the text that
   * precedes it in its document. Default: none.
   */
  readonly warmup?: Int32Array;
  /** Tokens of the chunk; at least one. */
  readonly tokens: Int32Array;
  readonly signal?: AbortSignal;
}

export interface EncodeChunkOptions extends ChunkInput {
  /** Needs room for prefix, warm-up and chunk; all of it is given back. */
  readonly arena: KvArena;
  /** The canonical prefix: attention sinks are where later prompts have them. May be empty. */
  readonly prefix: Int32Array;
}

export interface EncodeChunkAfterOptions extends ChunkInput {
  /** The prefix, computed before. It is forked, not changed. */
  readonly prefix: KvSequence;
}

export interface EncodedChunk {
  readonly kv: ChunkKv;
  /** Milliseconds for computing the prefix; 0 when it was there. */
  readonly prefixMs: number;
  /** Milliseconds for computing warm-up and chunk, and copying the chunk's KV out. */
  readonly computeMs: number;
}

/**
 * Computes a chunk after a prefix (and a warm-up) and captures its keys and values.
 * @throws InvalidArgumentError, ContextOverflowError, DisposedError, or the signal's reason.
 */
export async function encodeChunk(options: EncodeChunkOptions): Promise<EncodedChunk> {
  const { arena, prefix, ...input } = options;
  assertTokens(input.tokens);
  const sequence = arena.createSequence();
  try {
    const start = performance.now();
    if (prefix.length > 0) {
      await sequence.append(prefix, { logits: 'none', ...signalOf(input) });
    }
    const prefixMs = performance.now() - start;
    return { ...(await encodeInto(sequence, input)), prefixMs };
  } finally {
    sequence.dispose();
  }
}

/**
 * Like {@link encodeChunk}, for many chunks after one prefix, which is computed once.
 * @throws InvalidArgumentError, ContextOverflowError, DisposedError, or the signal's reason.
 */
export async function encodeChunkAfter(options: EncodeChunkAfterOptions): Promise<EncodedChunk> {
  const { prefix, ...input } = options;
  assertTokens(input.tokens);
  const sequence = prefix.fork();
  try {
    return { ...(await encodeInto(sequence, input)), prefixMs: 0 };
  } finally {
    sequence.dispose();
  }
}

async function encodeInto(
  sequence: KvSequence,
  input: ChunkInput,
): Promise<Omit<EncodedChunk, 'prefixMs'>> {
  const { warmup = new Int32Array(), tokens } = input;
  const start = performance.now();
  const all = new Int32Array(warmup.length + tokens.length);
  all.set(warmup);
  all.set(tokens, warmup.length);
  await sequence.append(all, { logits: 'none', ...signalOf(input) });
  const { length } = sequence;
  const span = { start: length - tokens.length, end: length };
  const kv = await sequence.capture(span, signalOf(input));
  return { kv, computeMs: performance.now() - start };
}

function assertTokens(tokens: Int32Array): void {
  if (tokens.length === 0) throw new InvalidArgumentError('A chunk needs at least one token.');
}

function signalOf({ signal }: ChunkInput): { readonly signal?: AbortSignal } {
  return signal ? { signal } : {};
}
