import { expect, test } from '@jest/globals';
import { worthOf } from '../../../bench/selection/instances.js';
import { questionInstance } from '../../../bench/selection/question-instance.js';

/** Longer than half a chunk, so that each stands alone; nothing in it is asked or answered. */
const filler = (i: number): string =>
  `paragraph ${i} tells at length of weather${i}, of rivers${i} and of bread${i} that bakers${i} sold to sailors${i} in the harbours${i}, until the winter of year${i} came and the boats${i} stayed where they were and nobody${i} went out at all.`;

const bridge =
  'mara vale had one sister, the chemist ines quint, with whom she grew up in a house near the coast that the family sold when both were young, and whom she seldom saw in later life, since one of them travelled and the other one did not.';
const end =
  'in spring ines quint took her degree at ghent, where she stayed as a teacher for thirty years, wrote four books on dyes and glazes, kept a garden of which her pupils spoke long after, and was given a medal of the town when she retired.';

const texts = [...Array.from({ length: 20 }, (_, i) => filler(i)), bridge, end, bridge];
const question = {
  id: '1',
  question: 'Where did the sister of Mara Vale take her degree?',
  answers: ['Ghent'],
  corpus: '1',
  documents: texts.map((text, i) => ({ id: `${i}`, text })),
  gold: { kind: 'answer' },
} as const;

test('what has the answer and what leads to it is found, each once, and is worth most together', async () => {
  const instance = await questionInstance(question, 300);
  if (!instance) throw new Error('there is no instance');
  const textOf = (place: number | undefined) => instance.candidates[place as number]?.chunk.text;
  expect(instance.support.map((places) => places.map(textOf))).toEqual([[end], [bridge]]);
  const [[at], [before]] = instance.support as [[number], [number]];
  const together = worthOf(instance, [at, before]);
  expect(together).toBeGreaterThan(worthOf(instance, [at]) + worthOf(instance, [before]));
  expect(instance.candidates[at]?.chunk.tokens.length).toBe(Math.ceil(end.length / 4));
});

test('a question whose answer is nowhere is none', async () => {
  expect(await questionInstance({ ...question, answers: ['Leuven'] }, 300)).toBeUndefined();
});
