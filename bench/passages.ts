import type { Document } from '../lib/index.js';

/** About the tokens of one passage. */
const WORDS = 245;

/** Asked of the passages below; every one of them holds its words. */
export const QUESTION =
  'Which harbour did the survey ship leave, and what did the crew measure there?';

const nouns =
  'harbour survey ship crew tide chart anchor lantern captain current depth storm island coast signal pilot rope wind cargo reef'.split(
    ' ',
  );
const verbs = 'measured noted crossed left reached followed raised lowered repaired marked'.split(
  ' ',
);
const fillers = 'the a that every another this some'.split(' ');

/** `count` documents of one passage each, some 250 tokens long; the same in every run. */
export function passages(count: number): Document[] {
  return Array.from({ length: count }, (_, i) => ({ id: `log-${i}`, text: passage(i + 1) }));
}

function passage(seed: number): string {
  let state = seed * 2654435761;
  const pick = (list: readonly string[]): string => {
    state = (Math.imul(state, 1664525) + 1013904223) >>> 0;
    return list[(state >>> 8) % list.length] as string;
  };
  const sentences = [`In log ${seed} the survey ship and its crew left a harbour.`];
  for (let words = 12; words < WORDS; words += 9) {
    sentences.push(
      `${capital(pick(fillers))} ${pick(nouns)} ${pick(verbs)} ${pick(fillers)} ${pick(nouns)} near ${pick(fillers)} ${pick(nouns)}.`,
    );
  }
  return sentences.join(' ');
}

function capital(word: string): string {
  return word.slice(0, 1).toUpperCase() + word.slice(1);
}
