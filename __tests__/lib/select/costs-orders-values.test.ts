import { expect, test } from '@jest/globals';
import * as fc from 'fast-check';
import {
  bothEnds,
  canonicalOrder,
  coverageValue,
  findOrder,
  InvalidArgumentError,
  maxMarginalValue,
  moneyCost,
  rankOrder,
  readingOrder,
  rerankerValue,
  type ScoredChunk,
  SelectionError,
  sumOfScores,
  tokensCost,
  topKSelector,
  valueAscending,
  valueDescending,
} from '../../../lib/index.js';
import { candidate, idsOf, request } from './support.js';

const set = [
  candidate('b', 100, 3),
  candidate('a', 50, 2),
  candidate('c', 10, 1),
  candidate('d', 1, 0),
];

test('tokens and money', () => {
  expect(tokensCost().of(set)).toBe(161);
  expect(tokensCost().of([])).toBe(0);
  expect(moneyCost({ pricePerMillion: 2 }).of(set)).toBeCloseTo(322e-6, 12);
  const cached = moneyCost({
    pricePerMillion: 2,
    cachedPricePerMillion: 0.5,
    cachedTokens: (chunks) => (chunks[0]?.chunk.id === 'b' ? 100 : 0),
  });
  expect(cached.of(set)).toBeCloseTo((61 * 2 + 100 * 0.5) / 1e6, 12);
  expect(cached.of(set.slice(1))).toBeCloseTo((61 * 2) / 1e6, 12);
  for (const wrong of [
    { pricePerMillion: -1 },
    { pricePerMillion: NaN },
    { pricePerMillion: 1, cachedPricePerMillion: 2 },
  ]) {
    expect(() => moneyCost(wrong)).toThrow(InvalidArgumentError);
  }
});

test('more cached tokens than there are is an error of the selection', async () => {
  const cost = moneyCost({ pricePerMillion: 1, cachedTokens: () => 1e9 });
  await expect(topKSelector().select(request(set, { cost }))).rejects.toThrow(SelectionError);
});

test('orders', () => {
  expect(idsOf(rankOrder(set))).toEqual(['b', 'a', 'c', 'd']);
  expect(idsOf(valueDescending(set.toReversed()))).toEqual(['b', 'a', 'c', 'd']);
  expect(idsOf(valueAscending(set))).toEqual(['d', 'c', 'a', 'b']);
  expect(idsOf(bothEnds(set))).toEqual(['b', 'c', 'd', 'a']);
  expect(idsOf(canonicalOrder(set))).toEqual(['a', 'b', 'c', 'd']);
});

test('every order keeps what there is; the canonical one does not depend on rank', () => {
  const sets = fc.array(fc.tuple(fc.integer({ min: 0, max: 3 }), fc.integer({ min: -3, max: 3 })), {
    maxLength: 8,
  });
  fc.assert(
    fc.property(sets, fc.integer(), (list, turn) => {
      const chunks = list.map(([document, score], i) => {
        const one = candidate(`${i}`, 1, score);
        return { ...one, chunk: { ...one.chunk, documentId: `d${document}`, start: (7 * i) % 5 } };
      });
      for (const order of [
        rankOrder,
        valueAscending,
        valueDescending,
        bothEnds,
        canonicalOrder,
        readingOrder,
      ]) {
        expect(idsOf(order(chunks)).sort()).toEqual(idsOf(chunks).sort());
      }
      const at = chunks.length === 0 ? 0 : Math.abs(turn) % chunks.length;
      const turned = [...chunks.slice(at), ...chunks.slice(0, at)];
      expect(idsOf(canonicalOrder(turned))).toEqual(idsOf(canonicalOrder(chunks)));
    }),
  );
});

/** Pairs that stand the wrong way round. */
function inversions(order: readonly ScoredChunk[]): number {
  const ids = idsOf(order);
  return ids.flatMap((id, i) => ids.slice(0, i).filter((earlier) => earlier > id)).length;
}

test('an order is found by search, within its evaluations', async () => {
  const chunks = ['d', 'a', 'e', 'c', 'b'].map((id, i) => candidate(id, 1, 5 - i));
  let asked = 0;
  const loss = async (orders: readonly (readonly ScoredChunk[])[]) => {
    asked += orders.length;
    return orders.map(inversions);
  };
  const found = await findOrder(chunks, { loss, evaluations: 200 });
  expect(idsOf(found.chunks)).toEqual(['a', 'b', 'c', 'd', 'e']);
  expect([found.loss, found.givenLoss, found.evaluations]).toEqual([0, inversions(chunks), asked]);
  asked = 0;
  const short = await findOrder(chunks, { loss, evaluations: 7 });
  expect(asked).toBe(7);
  expect(short.loss).toBeLessThanOrEqual(short.givenLoss);
  expect(short.loss).toBe(inversions(short.chunks));
  expect((await findOrder([], { loss })).chunks).toEqual([]);
});

test('losses that cannot be had are reported', async () => {
  for (const loss of [
    async () => [],
    async (orders: readonly unknown[]) => orders.map(() => NaN),
    async () => Promise.reject(new Error('no engine')),
  ]) {
    await expect(findOrder(set, { loss })).rejects.toThrow(SelectionError);
  }
  const signal = AbortSignal.abort(new Error('enough'));
  await expect(findOrder(set, { loss: async () => [], signal })).rejects.toThrow('enough');
  const twice = [...set, set[0] as ScoredChunk];
  await expect(findOrder(twice, { loss: async () => [] })).rejects.toThrow(InvalidArgumentError);
});

const options = { question: 'Where do red otters sleep?' };

test('values without an engine', async () => {
  expect(await sumOfScores().of([set, []], options)).toEqual([6, 0]);
  const likeness = maxMarginalValue({
    similarity: (a, b) => (a.chunk.tokens.length > 20 && b.chunk.tokens.length > 20 ? 0.9 : 0),
    redundancy: 2,
  });
  // a is like b, which is better: 3 + (2 - 2 * 0.9) + 1 + 0.
  const [value] = await likeness.of([set], options);
  expect(value).toBeCloseTo(4.2, 12);
  const texts = ['red otters', 'Otters sleep.', 'nothing', 'red sleep'].map((text, i) =>
    candidate(`${i}`, 1, 1, text),
  );
  const values = await coverageValue().of(
    [texts, texts.slice(0, 1), [], texts.slice(2, 3)],
    options,
  );
  expect(values).toEqual([3, 2, 0, 0]);
});

test('a reranker is asked about texts put together, in one call, and not about none', async () => {
  const calls: (readonly string[])[] = [];
  const value = rerankerValue({
    score: async (question, texts) => {
      calls.push([question, ...texts]);
      return texts.map((text) => text.length);
    },
    separator: ' | ',
    emptyValue: -1,
  });
  expect(await value.of([set.slice(0, 2), [], set.slice(2, 3)], options)).toEqual([5, -1, 1]);
  expect(calls).toEqual([[options.question, 'b | a', 'c']]);
  const short = rerankerValue({ score: async () => [] });
  await expect(topKSelector().select(request(set, { value: short }))).resolves.toBeDefined();
  await expect(short.of([set], options)).rejects.toThrow('0 scores for 1 texts');
});
