import type { ScoredChunk } from '../../retrieve/retriever.js';
import type { PromptLayout } from '../../prompt.js';
import type { Wanted } from '../kv-library.js';

/** A passage where it stands in a conversation. */
export interface ChatPassage {
  readonly hit: ScoredChunk;
  /** With its tokens as they stand there. */
  readonly wanted: Wanted;
}

/** A turn before it is answered. */
export interface OpenTurn {
  /** Number in the conversation, from 1; forgotten turns count. */
  readonly number: number;
  readonly question: string;
  readonly query: string;
  /** Those that came with it. */
  readonly passages: readonly ChatPassage[];
  /** The question and the opening of the answer. */
  readonly asked: Int32Array;
}

export interface Turn extends OpenTurn {
  readonly answer: string;
  /** Tokens of the answer. */
  readonly said: Int32Array;
}

/** What stands between turns, as token ids. */
export interface Borders {
  readonly question: Int32Array;
  readonly passages: Int32Array;
}

/** @throws ChatTemplateError when the chat template takes no earlier turns. */
export async function bordersOf(layout: PromptLayout): Promise<Borders> {
  return { question: await layout.between('question'), passages: await layout.between('passages') };
}

/**
 * What stands before a turn's passages and question: nothing where it is the conversation's first, since the prefix opens
 * that one.
 */
export function leadOf(
  { passages }: Pick<OpenTurn, 'passages'>,
  isFirst: boolean,
  borders: Borders,
): Int32Array {
  if (isFirst) return new Int32Array(0);
  return passages.length > 0 ? borders.passages : borders.question;
}

/** The conversation from its first token to the end of its last answer, or of the last question where that is open. */
export function tokensOf(
  prefix: Int32Array,
  turns: readonly (Turn | OpenTurn)[],
  borders: Borders,
): Int32Array {
  const runs = [prefix];
  for (const [i, turn] of turns.entries()) {
    runs.push(leadOf(turn, i === 0, borders));
    for (const { wanted } of turn.passages) runs.push(wanted.tokens);
    runs.push(turn.asked);
    if ('said' in turn) runs.push(turn.said);
  }
  return concat(runs);
}

/** Tokens that turns take, the first of them as the conversation's first. */
export function lengthOf(turns: readonly Turn[], borders: Borders): number {
  return tokensOf(new Int32Array(0), turns, borders).length;
}

export function concat(runs: readonly Int32Array[]): Int32Array {
  const all = new Int32Array(runs.reduce((sum, { length }) => sum + length, 0));
  let at = 0;
  for (const run of runs) {
    all.set(run, at);
    at += run.length;
  }
  return all;
}

/** How many tokens two runs begin with alike. */
export function agreement(one: Int32Array, other: Int32Array): number {
  const most = Math.min(one.length, other.length);
  let same = 0;
  while (same < most && one[same] === other[same]) same++;
  return same;
}
