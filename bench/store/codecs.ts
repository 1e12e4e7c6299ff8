import { loadEngine } from '../../adapters/ggml/index.js';
import { resolveModel } from '../../adapters/models/index.js';
import {
  bfpCodec,
  type ChunkKv,
  createWeave,
  f16Codec,
  type KvCodec,
  type KvEngine,
  type KvSequence,
  layerBytes,
  q8Codec,
} from '../../lib/index.js';
import { floatsOf } from '../../lib/engine/halves.js';
import { round, timed } from '../harness.js';
import { passages, QUESTION } from '../passages.js';
import type { StoreBench } from './part.js';

const codecsTried: readonly KvCodec[] = [
  f16Codec(),
  q8Codec(),
  bfpCodec(),
  bfpCodec({ sortKeys: false }),
  bfpCodec({ bits: 6 }),
  bfpCodec({ bits: 6, sortKeys: false }),
  bfpCodec({ bits: 4, group: 16 }),
  bfpCodec({ bits: 4, group: 16, sortKeys: false }),
];

/**
 * What a codec saves and what it costs: bytes, time, errors of keys and values, and how far the next token's
 * distribution moves, as the mean over the question's tokens of KL(as computed || as kept).
 */
export const codecs: StoreBench = async ({ options, model, outcome: { figures } }) => {
  const { path } = await resolveModel(model);
  const engine = await loadEngine({ model: path, device: options.device });
  try {
    const weave = await createWeave({ engine, topK: 4 });
    await weave.ingest(passages(4), { budget: { milliseconds: 0 } });
    const prompt = await weave.prompt(QUESTION);
    await weave.dispose();
    const arena = await engine.createArena({ cells: 2 * prompt.tokens.length + 256 });
    const prefix = arena.createSequence();
    await prefix.append(prompt.tokens.slice(0, prompt.prefix.end), { logits: 'none' });
    const chunks: ChunkKv[] = [];
    for (const { start, end } of prompt.passages) {
      const chunk = prefix.fork();
      await chunk.append(prompt.tokens.slice(start, end), { logits: 'none' });
      chunks.push(await chunk.capture({ start: prompt.prefix.end, end: chunk.length }));
      chunk.dispose();
    }
    const question = prompt.tokens.slice(prompt.question.start);
    const expected = await logitsOver(prefix, chunks, question);
    for (const codec of codecsTried) {
      const { name } = codec;
      const kept: ChunkKv[] = [];
      const ms = await timed(async () => {
        for (const kv of chunks) kept.push(throughCodec(kv, codec));
      });
      const raw = chunks.reduce((sum, { data }) => sum + data.byteLength, 0);
      const first = chunks[0] as ChunkKv;
      const shape = { layout: first.layout, tokens: first.tokens.length };
      figures[`codec.${name}.bytesShare`] = round(
        codec.encodedBytes(shape) / layerBytes(first.layout, first.tokens.length),
      );
      figures[`codec.${name}.MBps`] = round(raw / 1e3 / ms);
      const { most, rms } = errors(chunks, kept);
      figures[`codec.${name}.error.max`] = round(most);
      figures[`codec.${name}.error.rms`] = round(rms);
      const logits = await logitsOver(prefix, kept, question);
      figures[`codec.${name}.kl`] = round(meanKl(expected, logits, engine));
    }
    await arena.dispose();
  } finally {
    await engine.dispose();
  }
};

/** Encodes and decodes every layer. */
function throughCodec(kv: ChunkKv, codec: KvCodec): ChunkKv {
  const shape = { layout: kv.layout, tokens: kv.tokens.length };
  const bytes = layerBytes(kv.layout, kv.tokens.length);
  const encoded = new Uint8Array(codec.encodedBytes(shape));
  const data = new Uint8Array(kv.data.byteLength);
  for (let at = 0; at < data.byteLength; at += bytes) {
    codec.encode(kv.data.subarray(at, at + bytes), shape, encoded);
    codec.decode(encoded, shape, data.subarray(at, at + bytes));
  }
  return { ...kv, data };
}

async function logitsOver(
  prefix: KvSequence,
  chunks: readonly ChunkKv[],
  question: Int32Array,
): Promise<Float32Array> {
  const sequence = prefix.fork();
  try {
    for (const kv of chunks) await sequence.splice(kv);
    const { logits } = await sequence.append(question, { logits: 'all' });
    if (!logits) throw new Error('the engine gave no logits');
    return logits.values;
  } finally {
    sequence.dispose();
  }
}

function errors(
  before: readonly ChunkKv[],
  after: readonly ChunkKv[],
): { most: number; rms: number } {
  let most = 0;
  let squares = 0;
  let count = 0;
  for (const [i, kv] of before.entries()) {
    const a = floatsOf(kv.data);
    const b = floatsOf((after[i] as ChunkKv).data);
    for (let at = 0; at < a.length; at++) {
      const error = Math.abs((a[at] as number) - (b[at] as number));
      most = Math.max(most, error);
      squares += error * error;
    }
    count += a.length;
  }
  return { most, rms: Math.sqrt(squares / count) };
}

function meanKl(expected: Float32Array, actual: Float32Array, engine: KvEngine): number {
  const { vocabSize } = engine.model;
  let sum = 0;
  for (let at = 0; at < expected.length; at += vocabSize) {
    const p = logSoftmax(expected.subarray(at, at + vocabSize));
    const q = logSoftmax(actual.subarray(at, at + vocabSize));
    for (let i = 0; i < p.length; i++) {
      sum += Math.exp(p[i] as number) * ((p[i] as number) - (q[i] as number));
    }
  }
  return Math.max(0, sum / (expected.length / vocabSize));
}

function logSoftmax(values: Float32Array): Float64Array {
  const most = values.reduce((a, b) => Math.max(a, b), -Infinity);
  let sum = 0;
  for (const value of values) sum += Math.exp(value - most);
  const shift = most + Math.log(sum);
  return Float64Array.from(values, (value) => value - shift);
}
