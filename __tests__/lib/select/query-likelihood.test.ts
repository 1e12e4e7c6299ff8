import { expect, test } from '@jest/globals';
import { type QuestionProbe, queryLikelihoodValue } from '../../../lib/index.js';
import { hits, probeOf } from './stand-ins.js';

const question = 'why?';
const losses = { '': [2, 4], a: [1, 4], b: [0.5, 7], 'a b': [0.5, 3] };
const [a, b] = hits('a', 'b') as [ReturnType<typeof hits>[0], ReturnType<typeof hits>[0]];

test('a set is worth how much likelier it makes the question, a token', async () => {
  const probe = probeOf(losses);
  const value = queryLikelihoodValue({ probe });
  expect(await value.of([[], [a], [b], [a, b]], { question })).toEqual([0, 0.5, -0.75, 1.25]);
});

test('the question alone is asked once, however often sets are', async () => {
  const probe = probeOf(losses);
  const value = queryLikelihoodValue({ probe });
  await value.of([[a]], { question });
  await value.of([[b]], { question });
  expect(probe.sets.filter((set) => set.length === 0)).toHaveLength(1);
  await value.of([[b]], { question: 'another?' });
  expect(probe.sets.filter((set) => set.length === 0)).toHaveLength(2);
  expect(await value.of([], { question })).toEqual([]);
});

test('without calibration nothing is asked beside the sets; gains forgive an odd word', async () => {
  const plain = probeOf(losses);
  const none = queryLikelihoodValue({ probe: plain, calibration: 'none' });
  expect(await none.of([[a], [b]], { question })).toEqual([-2.5, -3.75]);
  expect(plain.sets).toEqual([['a'], ['b']]);
  const gains = queryLikelihoodValue({ probe: probeOf(losses), calibration: 'gains' });
  expect(await gains.of([[a], [b], [a, b]], { question })).toEqual([0.5, 0.75, 1.25]);
});

test('a share to compute again is handed on, and refused where it is none', async () => {
  const asked: (number | undefined)[] = [];
  const inner = probeOf(losses);
  const probe: QuestionProbe = {
    ...inner,
    losses(sets, options) {
      asked.push(options.refresh);
      return inner.losses(sets, options);
    },
  };
  await queryLikelihoodValue({ probe, refresh: 0.03 }).of([[a, b]], { question });
  await queryLikelihoodValue({ probe }).of([[a, b]], { question });
  expect(asked).toEqual([0.03, undefined]);
  for (const refresh of [-0.1, 1.1, NaN]) {
    expect(() => queryLikelihoodValue({ probe, refresh })).toThrow(`refresh is ${refresh}`);
  }
});
