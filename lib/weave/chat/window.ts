import { ContextOverflowError } from '../../errors.js';
import { fitPrompt } from '../../prompt.js';
import { type Borders, type ChatPassage, leadOf, lengthOf, type Turn } from './conversation.js';

export interface FitTurnOptions {
  readonly turns: readonly Turn[];
  /** What was found for the question, in the order of the prompt. */
  readonly found: readonly ChatPassage[];
  readonly borders: Borders;
  /** Tokens of the prefix. */
  readonly prefix: number;
  /** Tokens of the question with the opening of its answer. */
  readonly asked: number;
  readonly maxTokens: number;
  /** Tokens of the window. */
  readonly available: number;
  readonly whenFull: 'forget' | 'throw';
  readonly overflow: 'drop' | 'throw';
  /** Share of the window that turns have at most after some were forgotten. */
  readonly keep: number;
}

export interface FittedTurn {
  /** Those that stay. */
  readonly turns: readonly Turn[];
  /** Of those found, what is not in the turns that stay. */
  readonly passages: readonly ChatPassage[];
  readonly answerTokens: number;
  readonly notes: readonly string[];
}

/**
 * What of a conversation and of the found passages fits into the window beside the question and its answer. Turns go
 * first, the oldest before the others; then passages, those found last.
 * @throws ContextOverflowError when not even the question and the best passage fit, or what should not be left out would be.
 */
export function fitTurn(options: FitTurnOptions): FittedTurn {
  const { found, borders, prefix, asked, maxTokens, available, whenFull, overflow, keep } = options;
  let { turns } = options;
  let fresh = newTo(turns, found);
  const needed = () =>
    prefix +
    lengthOf(turns, borders) +
    leadOf({ passages: fresh }, turns.length === 0, borders).length +
    lengthsOf(fresh) +
    asked +
    maxTokens;
  const all = needed();
  if (all > available && turns.length > 0) {
    if (whenFull === 'throw') {
      throw new ContextOverflowError(
        all,
        available,
        'The conversation is too long. Begin a new one, ask for a shorter answer, or leave whenFull at "forget".',
      );
    }
    while (
      turns.length > 0 &&
      (needed() > available || prefix + lengthOf(turns, borders) > keep * available)
    ) {
      turns = turns.slice(1);
      // What only a forgotten turn held is new again.
      fresh = newTo(turns, found);
    }
  }
  const ranked = fresh.toSorted((a, b) => b.hit.score - a.hit.score);
  const lead = leadOf({ passages: fresh }, turns.length === 0, borders).length;
  const { kept, answer } = fitPrompt({
    passages: ranked.map(({ wanted }) => wanted.tokens.length),
    fixed: prefix + lengthOf(turns, borders) + lead + asked,
    answer: maxTokens,
    available,
    overflow,
  });
  const best = new Set(ranked.slice(0, kept));
  const passages = fresh.filter((passage) => best.has(passage));
  const notes: string[] = [];
  const forgotten = options.turns.length - turns.length;
  if (forgotten > 0) {
    notes.push(
      `The window of ${available} tokens is full: the oldest ${counted(forgotten, 'turn')} of the conversation ${forgotten === 1 ? 'was' : 'were'} forgotten, and the ${turns.length} that stay were woven anew.`,
    );
  }
  if (kept < fresh.length) {
    notes.push(
      `${fresh.length - kept} of ${fresh.length} new passages were left out: they do not fit beside the question and ${maxTokens} tokens of answer.`,
    );
  }
  if (answer < maxTokens) {
    notes.push(`There is room for ${answer} tokens of answer, not ${maxTokens}.`);
  }
  return { turns, passages, answerTokens: answer, notes };
}

function newTo(turns: readonly Turn[], found: readonly ChatPassage[]): readonly ChatPassage[] {
  const there = new Set(turns.flatMap(({ passages }) => passages.map(({ hit }) => hit.chunk.id)));
  return found.filter(({ hit }) => !there.has(hit.chunk.id));
}

function lengthsOf(passages: readonly ChatPassage[]): number {
  return passages.reduce((sum, { wanted }) => sum + wanted.tokens.length, 0);
}

function counted(count: number, what: string): string {
  return count === 1 ? what : `${count} ${what}s`;
}
