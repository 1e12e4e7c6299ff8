import type { KvSequence } from '../../engine/arena.js';
import { ComputeError, InvalidArgumentError } from '../../errors.js';
import { assertLateRefresh, LateRefresh } from '../../reuse/late/late-refresh.js';
import type { Usage } from '../answer.js';
import {
  answerBlock,
  answerRoom,
  type AnswerRun,
  generate,
  lateNote,
  noTimes,
  type Times,
  withLate,
} from '../answer-steps.js';
import { emptyAnswer, nothingFoundNote } from '../ask.js';
import type { CellLease } from '../cell-budget.js';
import { type Origin, preparePrompt, sourcesOf } from '../prepare.js';
import type { Shadow } from '../shadow/shadow.js';
import {
  agreement,
  type Borders,
  type ChatPassage,
  leadOf,
  type OpenTurn,
  tokensOf,
  type Turn,
} from './conversation.js';
import type { FollowUpQuery } from './follow-up.js';
import type { ChatAnswer, ChatSource } from './options.js';
import { saidTokens } from './said-tokens.js';
import { Standing } from './standing.js';
import { weaveTurn, type WovenTurn } from './weave-turn.js';
import { fitTurn } from './window.js';

export interface TurnRun extends AnswerRun {
  readonly question: string;
  /** Its number, from 1. */
  readonly number: number;
  /** The conversation so far. */
  readonly turns: readonly Turn[];
  /** Where it stands in cells; absent where it stands in none. */
  readonly standing: Standing | undefined;
  readonly borders: Borders;
  readonly followUp: FollowUpQuery;
  readonly keep: number;
  readonly whenFull: 'forget' | 'throw';
  readonly shadow: Shadow | undefined;
  /** What a person should know beforehand. */
  readonly notes: readonly string[];
}

export interface RanTurn {
  readonly answer: ChatAnswer;
  /** The conversation now; absent where nothing was asked. */
  readonly turns?: readonly Turn[];
  readonly standing?: Standing;
}

/** Answers the next question of a conversation. After a failure the conversation is as it was before. */
export async function runTurn(run: TurnRun): Promise<RanTurn> {
  const { kit, options, signal, emit, question, number, borders } = run;
  const { reuse = 'woven', maxTokens = 256, overflow = 'drop', refreshLate } = options;
  if (refreshLate) assertLateRefresh(refreshLate);
  if (reuse !== 'woven' && reuse !== 'full') {
    throw new InvalidArgumentError(`reuse is ${String(reuse)}; give 'woven' or 'full'.`);
  }
  const start = performance.now();
  const times = noTimes();
  const notes = [...run.notes];
  const { query, note } = await queryOf(run);
  if (note) notes.push(note);
  const prepared = await preparePrompt(kit, query, { ...options, signal });
  const { selection } = prepared;
  notes.push(...prepared.notes);
  const asked = await kit.layout.question(question, { signal });
  const before = withoutForgotten(run, notes);
  const fitted = fitTurn({
    turns: before,
    found: prepared.hits.map((hit, i) => ({
      hit,
      wanted: prepared.wanted[i] as ChatPassage['wanted'],
    })),
    borders,
    prefix: kit.layout.prefix.length,
    asked: asked.length,
    maxTokens,
    available: Math.min(kit.engine.model.contextLength, kit.cells.total),
    whenFull: run.whenFull,
    overflow,
    keep: run.keep,
  });
  notes.push(...fitted.notes);
  const { turns, answerTokens } = fitted;
  const places = fitted.passages.map(({ hit: { chunk } }, i) => ({
    chunk,
    first: turns.length === 0 && i === 0,
  }));
  const wanted = await kit.encodings.at(places, signal);
  const passages = fitted.passages.map(({ hit }, i): ChatPassage => ({
    hit,
    wanted: wanted[i] as ChatPassage['wanted'],
  }));
  const open: OpenTurn = { number, question, query, passages, asked };
  const found = new Set(prepared.hits.map(({ chunk }) => chunk.id));
  const sources = (origin?: (passage: number) => Origin) =>
    sourcesOfTurn(kit, [...turns, open], found, origin);
  times.retrieve = performance.now() - start;
  emit({ type: 'retrieved', sources: sources() });
  if (selection) emit({ type: 'selected', plan: selection });
  const forgotten = run.turns.length - turns.length;
  if (found.size === 0) {
    const { whenNothingFound = turns.length > 0 ? 'answer' : 'empty' } = options;
    if (whenNothingFound === 'empty' || turns.length === 0) {
      const asking = { ...options, whenNothingFound };
      notes.push(nothingFoundNote(kit, asking, selection !== undefined));
    } else notes.push('No passage matches the question: the answer comes from the conversation.');
    if (whenNothingFound === 'empty') {
      const empty = emptyAnswer(reuse, notes, times, start);
      const conversationTokens = tokensOf(kit.layout.prefix, run.turns, borders).length;
      const answer = {
        ...empty,
        turn: number,
        query,
        sources: [],
        forgotten: 0,
        conversationTokens,
      };
      return { answer };
    }
  }

  const tokens = tokensOf(kit.layout.prefix, [...turns, open], borders);
  const begun = refreshLate ? answerTokens : Math.min(answerTokens, answerBlock);
  const isSame =
    turns.length === run.turns.length && before.every((turn, i) => turn === run.turns[i]);
  const held = await hold(run, {
    tokens,
    canGoOn: isSame && reuse === 'woven',
    begun,
    answerTokens,
    times,
  });
  if (turns.length > 0 && !held.standing && reuse === 'woven' && isSame) {
    notes.push('The conversation stood in no cells any more, so it was woven anew.');
  }
  let work: KvSequence | undefined;
  try {
    const computing = { run, turns, open, tokens, times, held };
    const made = await (reuse === 'full' ? computeAll(computing) : computeNew(computing, sources));
    work = made.sequence;
    const { repaired } = made;
    const late =
      repaired && refreshLate && new LateRefresh(repaired.target, repaired.plan, refreshLate);
    const sample = repaired ? run.shadow?.sample(options.policy) : undefined;
    const result = await generate(
      run,
      { sequence: work, logits: made.logits, late },
      {
        maxTokens: answerTokens,
        reserve: answerRoom(held.turn, begun, signal, times),
        onFirstToken: () => {
          times.firstToken = performance.now() - start;
        },
        ...(sample && { onLogits: sample.onLogits }),
      },
    );
    sample?.finish(question, tokens, result.tokens);
    const said = await saidTokens(kit.engine.tokenizer, result);
    signal.throwIfAborted();
    if (result.full) notes.push('The answer ends where the context is full.');
    times.late = late?.milliseconds ?? 0;
    if (late && late.tokens > 0) notes.push(lateNote(late));
    times.total = performance.now() - start;
    const turn: Turn = { ...open, answer: result.text, said };
    const answer: ChatAnswer = {
      text: result.text,
      turn: number,
      query,
      sources: sources(made.origin),
      usage: { ...withLate(made.usage, late), generated: result.tokens.length },
      timings: { ...times },
      finishReason: result.finishReason,
      reuse,
      ...(repaired && { plan: repaired.plan }),
      ...(selection && { selection }),
      notes: [...notes, ...(repaired?.plan.notes ?? [])],
      forgotten,
      conversationTokens: tokens.length + said.length,
    };
    // From here on nothing fails.
    held.standing?.sequence.dispose();
    const own = work.length - (reuse === 'full' ? 0 : kit.layout.prefix.length);
    const standing = new Standing(kit.cells, work, held.leases, own);
    return { answer, turns: [...turns, turn], standing };
  } catch (error) {
    work?.dispose();
    if (held.standing) held.standing.putBack(held.leases);
    else held.turn.release();
    throw error;
  }
}

/** What is searched for, and what a person should know about that. */
async function queryOf({
  question,
  turns,
  followUp,
  signal,
}: TurnRun): Promise<{ query: string; note?: string }> {
  if (turns.length === 0) return { query: question };
  const said = turns.map((turn) => ({ question: turn.question, answer: turn.answer }));
  const query = await followUp({ question, turns: said, signal });
  signal.throwIfAborted();
  if (typeof query === 'string' && query.trim() !== '') return { query };
  const note = 'The follow-up was given no query, so the question itself was searched for.';
  return { query: question, note };
}

/** Passages whose document was removed leave the conversation. */
function withoutForgotten({ kit, turns }: TurnRun, notes: string[]): readonly Turn[] {
  let gone = 0;
  const left = turns.map((turn) => {
    const passages = turn.passages.filter(({ wanted }) => !kit.wanted.isForgotten(wanted.key));
    if (passages.length === turn.passages.length) return turn;
    gone += turn.passages.length - passages.length;
    return { ...turn, passages };
  });
  if (gone > 0) {
    notes.push(
      `${gone} passages of the conversation are in no document any more, so it was woven anew without them.`,
    );
  }
  return left;
}

interface Held {
  /** Grows with the answer. */
  readonly turn: CellLease;
  readonly leases: readonly CellLease[];
  /** The conversation, where the turn goes on behind it. */
  readonly standing?: Standing;
}

interface Holding {
  /** Up to the question. */
  readonly tokens: Int32Array;
  /** Whether what stands there already may be gone on from. */
  readonly canGoOn: boolean;
  readonly begun: number;
  readonly answerTokens: number;
  readonly times: Times;
}

/** Takes cells: beside those of the conversation, or for all of it where it has none or is woven anew. */
async function hold(
  { kit, standing, signal, options }: TurnRun,
  { tokens, canGoOn, begun, answerTokens, times }: Holding,
): Promise<Held> {
  const waiting = performance.now();
  try {
    if (standing && canGoOn) {
      const own = tokens.length - agreement(standing.sequence.tokens, tokens);
      const leases = await standing.take(own + begun, own + answerTokens, signal);
      if (leases) return { turn: leases[1], leases, standing };
    }
    // Both at once may be more than there are.
    standing?.release();
    const shared = options.reuse === 'full' ? 0 : kit.layout.prefix.length;
    const all = tokens.length - shared;
    const turn = await kit.cells.acquire(all + begun, signal, all + answerTokens);
    return { turn, leases: [turn] };
  } finally {
    times.wait += performance.now() - waiting;
  }
}

interface Computing {
  readonly run: TurnRun;
  readonly turns: readonly Turn[];
  readonly open: OpenTurn;
  /** Up to the question. */
  readonly tokens: Int32Array;
  readonly times: Times;
  readonly held: Held;
}

interface Computed extends Pick<WovenTurn, 'logits' | 'repaired'> {
  readonly sequence: KvSequence;
  readonly usage: Omit<Usage, 'generated'>;
  /** Of each of the turn's own passages. */
  readonly origin?: (passage: number) => Origin;
}

/** Computes the whole conversation, nothing reused. */
async function computeAll({ run, tokens, times }: Computing): Promise<Computed> {
  const { kit, signal } = run;
  const sequence = kit.arena.createSequence();
  try {
    const start = performance.now();
    const { logits } = await sequence.append(tokens, { signal });
    if (!logits) throw new ComputeError('The engine gave no logits for the conversation.');
    times.refresh = performance.now() - start;
    const { length } = tokens;
    const usage = { prompt: length, cached: 0, recomputed: 0, fresh: length };
    return { sequence, logits: logits.values, usage };
  } catch (error) {
    sequence.dispose();
    throw error;
  }
}

/** Goes on behind the conversation; where it stands in no cells, weaves it turn by turn first. */
async function computeNew(
  { run, turns, open, tokens, times, held }: Computing,
  sources: (origin: (passage: number) => Origin) => readonly ChatSource[],
): Promise<Computed> {
  const { kit, signal, emit, borders } = run;
  let cached: number;
  let recomputed = 0;
  let sequence: KvSequence;
  if (held.standing) {
    cached = agreement(held.standing.sequence.tokens, tokens);
    sequence = held.standing.sequence.fork(cached);
  } else {
    const start = performance.now();
    const prefix = await kit.prefix.use(signal);
    if (!prefix.cached) times.encode += performance.now() - start;
    cached = prefix.cached ? kit.layout.prefix.length : 0;
    sequence = prefix.sequence.fork();
  }
  try {
    // What of the conversation is not there yet stands before the passages, if the conversation stands.
    let pending = new Int32Array(0);
    if (held.standing) {
      const said = tokensOf(kit.layout.prefix, turns, borders);
      pending = said.slice(sequence.length);
    } else {
      const quiet = { ...run, emit: reportEncoding(emit) };
      for (const [i, turn] of turns.entries()) {
        const lead = joined(pending, leadOf(turn, i === 0, borders));
        const woven = await weaveTurn(quiet, sequence, { ...turn, lead }, times);
        cached += woven.cached;
        recomputed += woven.recomputed;
        pending = turn.said as Int32Array<ArrayBuffer>;
      }
    }
    const lead = joined(pending, leadOf(open, turns.length === 0, borders));
    let origin: ((passage: number) => Origin) | undefined;
    const woven = await weaveTurn(run, sequence, { ...open, lead }, times, (obtained) => {
      const origins = obtained.map(({ key, cached: was }): Origin => ({
        cached: was,
        encodedAfter: kit.encodings.madeAs(key),
      }));
      origin = (passage) => origins[passage] ?? { cached: false };
      emit({ type: 'loaded', sources: sources(origin) });
    });
    cached += woven.cached;
    recomputed += woven.recomputed;
    const { length } = tokens;
    const usage = { prompt: length, cached, recomputed, fresh: length - cached - recomputed };
    const { logits, repaired } = woven;
    return { sequence, logits, usage, ...(repaired && { repaired }), ...(origin && { origin }) };
  } catch (error) {
    sequence.dispose();
    throw error;
  }
}

/** Plans of turns that were answered before are nobody's news. */
function reportEncoding(emit: TurnRun['emit']): TurnRun['emit'] {
  return (event) => {
    if (event.type === 'encoding') emit(event);
  };
}

function joined(one: Int32Array, other: Int32Array): Int32Array {
  if (one.length === 0) return other;
  const both = new Int32Array(one.length + other.length);
  both.set(one);
  both.set(other, one.length);
  return both;
}

/** Those of a conversation's passages that were found for its last question, numbered through the conversation. */
function sourcesOfTurn(
  kit: Parameters<typeof sourcesOf>[0],
  turns: readonly OpenTurn[],
  found: ReadonlySet<string>,
  origin: (passage: number) => Origin = () => ({ cached: false }),
): ChatSource[] {
  const sources: ChatSource[] = [];
  let before = 0;
  for (const turn of turns) {
    const isOpen = turn === turns.at(-1);
    const hits = turn.passages.map(({ hit }) => hit);
    const all = sourcesOf(kit, hits, isOpen ? origin : () => ({ cached: true }));
    for (const [i, source] of all.entries()) {
      if (!found.has(source.chunkId)) continue;
      sources.push({ ...source, number: before + i + 1, turn: turn.number });
    }
    before += hits.length;
  }
  return sources;
}
