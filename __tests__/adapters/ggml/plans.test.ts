import { afterAll, beforeAll, expect, test } from '@jest/globals';
import fc from 'fast-check';
import type { ChunkKv } from '../../../lib/engine/chunk-kv.js';
import { distance } from '../../support/logits.js';
import { compute, type OwnCompute, tinyFile } from '../../support/native.js';
import {
  movedCells,
  type PlainCell,
  plainCells,
  PlainTransformer,
} from '../../support/plain-transformer.js';

let own: OwnCompute;
let plain: PlainTransformer;

beforeAll(async () => {
  const path = await tinyFile({
    architecture: 'llama',
    layers: 3,
    width: 32,
    heads: 4,
    kvHeads: 2,
  });
  own = await compute(path, 1024);
  plain = await PlainTransformer.open(path);
});
afterAll(() => own.dispose());

const token = fc.integer({ min: 270, max: 310 });
const tokens = (min: number, max: number) => fc.array(token, { minLength: min, maxLength: max });

/** Which chunks, in which order, with which gaps, and which of their tokens are computed again. */
const plans = fc.record({
  prefix: tokens(0, 8),
  chunks: fc.array(tokens(1, 14), { minLength: 1, maxLength: 4 }),
  order: fc.array(fc.nat(), { minLength: 1, maxLength: 6 }),
  gaps: fc.array(fc.nat({ max: 40 }), { minLength: 6, maxLength: 6 }),
  refreshed: fc.array(fc.nat(), { maxLength: 20 }),
  question: tokens(1, 10),
  together: fc.boolean(),
});

test('any plan gives what plain loops give: chunks in any order, anywhere, any subset refreshed', async () => {
  const kl: number[] = [];
  await fc.assert(
    fc.asyncProperty(plans, async (plan) => {
      const { arena } = own;
      const sequences = [arena.createSequence()];
      const woven = sequences[0] as (typeof sequences)[0];
      try {
        // Chunks are encoded after the prefix, in both worlds.
        const prefix = plainCells(plan.prefix, 0);
        if (prefix.length > 0) plain.run(prefix, []);
        const kept: { kv: ChunkKv; cells: PlainCell[] }[] = [];
        for (const chunk of plan.chunks) {
          const cells = plainCells(chunk, prefix.length);
          plain.run(cells, prefix);
          const encoding = arena.createSequence();
          await encoding.append(Int32Array.from([...plan.prefix, ...chunk]), { logits: 'none' });
          const kv = await encoding.capture({ start: prefix.length, end: encoding.length });
          encoding.dispose();
          kept.push({ kv, cells });
        }

        const context = [...prefix];
        if (prefix.length > 0) await woven.append(Int32Array.from(plan.prefix), { logits: 'none' });
        let position = prefix.length;
        for (const [i, number] of plan.order.entries()) {
          const { kv, cells } = kept[number % kept.length] as (typeof kept)[0];
          position += plan.gaps[i] ?? 0;
          await woven.splice(kv, { position });
          context.push(...movedCells(cells, position));
          position += cells.length;
        }

        const entries = [...new Set(plan.refreshed.map((n) => n % context.length))];
        const again = entries
          .map((entry) => context[entry] as PlainCell)
          .sort((a, b) => a.position - b.position);
        const rest = context.filter((cell) => !again.includes(cell));
        const question = plainCells(plan.question, position);
        const expected = plain.run([...again, ...question], rest);

        const refresh = {
          kind: 'refresh',
          sequence: woven,
          entries: Int32Array.from(entries),
        } as const;
        const ask = {
          kind: 'append',
          sequence: woven,
          tokens: Int32Array.from(plan.question),
        } as const;
        if (!plan.together) await arena.forward([refresh]);
        const result = await arena.forward(plan.together ? [ask, refresh] : [ask]);

        const apart = distance(
          Float32Array.from(expected),
          result.logits?.values as Float32Array,
          own.vocabSize,
        );
        kl.push(apart.kl);
        expect(apart.kl).toBeLessThan(5e-6);
        expect(apart.deviations).toBeLessThan(0.02);
      } finally {
        woven.dispose();
      }
    }),
    { numRuns: Number(process.env['CHUNKWEAVE_RUNS'] ?? 60), seed: 7 },
  );
  expect(own.arena.free).toBe(own.arena.cells);
  console.log(`random plans: worst KL ${Math.max(...kl).toExponential(1)} against float64 loops`);
});
