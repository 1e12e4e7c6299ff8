import { afterAll, beforeAll, describe, expect, test } from '@jest/globals';
import type { KvSequence } from '../../../lib/engine/arena.js';
import type { ChunkKv } from '../../../lib/engine/chunk-kv.js';
import { floatsOf } from '../../../lib/engine/halves.js';
import { encodeDocument, type EncodedDocumentChunk } from '../../../lib/index.js';
import { compute, type OwnCompute, tinyFile } from '../../support/native.js';

/** Chunks of unlike length, some of them less than a piece. */
const lengths = [150, 40, 30, 90, 200, 20, 20, 20];
const segment = { tokens: { start: 60, end: 570 }, chunks: { start: 1, end: 8 } };

describe.each(['f32', 'q4_0'] as const)('%s weights', (weightType) => {
  let own: OwnCompute;
  let prefix: KvSequence;
  let tokens: Int32Array;
  let at = 0;
  const spans = lengths.map((length) => ({ start: at, end: (at += length) }));

  beforeAll(async () => {
    own = await compute(await tinyFile({ architecture: 'llama', weightType, layers: 2 }), {
      cells: 2048,
    });
    tokens = own.tokens(at, 7);
    prefix = own.arena.createSequence();
    await prefix.append(own.tokens(24, 3), { logits: 'none' });
  });

  afterAll(() => own.dispose());

  async function encode(taken: readonly ChunkKv[], of = tokens) {
    const run = { model: own.arena.model.info, prefix, tokens: of, spans, segments: [segment] };
    const made: EncodedDocumentChunk[] = [];
    let computed = 0;
    for await (const part of encodeDocument({
      ...run,
      statistics: true,
      resume: async () => taken,
    })) {
      made.push(...part.chunks);
      computed += part.computed;
    }
    return { made, computed };
  }

  test('what follows chunks that were taken is the same, bit for bit, as what follows computed ones', async () => {
    const fresh = await encode([]);
    expect(fresh.computed).toBe(510);
    const kvs = fresh.made.map(({ kv }) => kv as ChunkKv);
    for (const count of [1, 3, 4, 6]) {
      const resumed = await encode(kvs.slice(0, count));
      expect(resumed.computed).toBeLessThanOrEqual(fresh.computed);
      for (const chunk of resumed.made) {
        const before = fresh.made.find(({ number }) => number === chunk.number);
        expect(Buffer.compare(chunk.kv!.data, before!.kv!.data)).toBe(0);
        expect(chunk.statistics).toEqual(before!.statistics);
      }
      // Chunks 1 to 3 are the first piece, 4 the second.
      const first = count < 3 ? 1 : count < 4 ? 4 : 5;
      expect(resumed.made[0]!.number).toBe(first);
    }
    expect((await encode(kvs.slice(0, 4))).computed).toBe(90 + 60);
  });

  test('an edit computes what follows it and gives what a document that was never seen gives', async () => {
    const kvs = (await encode([])).made.map(({ kv }) => kv as ChunkKv);
    const edited = tokens.slice();
    edited[spans[4]!.start + 5] = (edited[spans[4]!.start + 5]! + 1) % own.vocabSize;
    const whole = await encode([], edited);
    const part = await encode(kvs.slice(0, 3), edited);
    expect(part.computed).toBe(90 + 260);
    expect(part.made.map(({ number }) => number)).toEqual([4, 5, 6, 7]);
    for (const [i, { kv }] of part.made.entries()) {
      expect(Buffer.compare(kv!.data, whole.made[i + 3]!.kv!.data)).toBe(0);
      expect(Buffer.compare(kv!.data, kvs[i + 3]!.data)).not.toBe(0);
    }
  });

  test('pieces give what one pass gives, up to the last bits', async () => {
    const pieces = (await encode([])).made;
    const run = { model: own.arena.model.info, prefix, tokens, spans, segments: [segment] };
    for await (const { chunks } of encodeDocument(run)) {
      for (const [i, { kv }] of chunks.entries()) {
        const a = floatsOf(kv!.data);
        const b = floatsOf(pieces[i]!.kv!.data);
        let squares = 0;
        let differences = 0;
        for (let k = 0; k < a.length; k++) {
          squares += a[k]! ** 2;
          differences += (a[k]! - b[k]!) ** 2;
        }
        expect(Math.sqrt(differences / squares)).toBeLessThan(weightType === 'f32' ? 2e-3 : 5e-2);
      }
    }
  });
});
