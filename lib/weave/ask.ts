import { ComputeError, InvalidArgumentError } from '../errors.js';
import type { RefreshPlan } from '../reuse/policy.js';
import { assertLateRefresh, LateRefresh } from '../reuse/late/late-refresh.js';
import { carryOut } from '../reuse/refresh/carry-out.js';
import type { RefreshTarget } from '../reuse/refresh/target.js';
import type { Answer, AnswerEvent, Source, Usage } from './answer.js';
import {
  answerBlock,
  answerRoom,
  type Begun,
  encodingReporter,
  generate,
  lateNote,
  nothingPlanned,
  noTimes,
  planFor,
  type Times,
  withLate,
} from './answer-steps.js';
import type { WeaveKit } from './kit.js';
import type { Obtained } from './kv-library.js';
import type { AskOptions } from './options.js';
import { placePassages } from './place-passages.js';
import { prefillPrompt } from './prefill-prompt.js';
import { type Origin, type PreparedPrompt, preparePrompt, sourcesOf } from './prepare.js';
import { refreshTarget } from './refresh.js';
import { reportUses } from './report-uses.js';
import type { Shadow } from './shadow/shadow.js';

export interface AskRun {
  readonly kit: WeaveKit;
  readonly question: string;
  /** The weave's defaults and the caller's options, merged. */
  readonly options: AskOptions;
  /** Aborted by the caller, by leaving the stream, or by disposing the weave. */
  readonly signal: AbortSignal;
  readonly emit: (event: AnswerEvent) => void;
  /** A prompt laid out before, so that two runs answer the very same one. */
  readonly prepared?: PreparedPrompt | undefined;
  /** Checks some of the answers that are woven; default: none are. */
  readonly shadow?: Shadow | undefined;
  /** What a person should know beforehand. */
  readonly notes?: readonly string[];
}

/** What stands in the arena before the first token of the answer. */
interface Ready extends Begun {
  readonly usage: Omit<Usage, 'generated'>;
  readonly sources: readonly Source[];
  readonly plan?: RefreshPlan;
}

/** Answers one question, from retrieval to the last token. */
export async function runAsk(run: AskRun): Promise<Answer> {
  const { kit, question, options, signal, emit } = run;
  const { reuse = 'woven', whenNothingFound = 'empty' } = options;
  if (options.refreshLate) assertLateRefresh(options.refreshLate);
  if (reuse !== 'woven' && reuse !== 'full') {
    throw new InvalidArgumentError(`reuse is ${String(reuse)}; give 'woven' or 'full'.`);
  }
  const start = performance.now();
  const times = noTimes();
  signal.throwIfAborted();

  const prompt = run.prepared ?? (await preparePrompt(kit, question, { ...options, signal }));
  times.retrieve = performance.now() - start;
  const notes = [...(run.notes ?? []), ...prompt.notes];
  const { selection } = prompt;
  emit({ type: 'retrieved', sources: sourcesOf(kit, prompt.hits) });
  if (selection) emit({ type: 'selected', plan: selection });
  if (prompt.hits.length === 0) {
    notes.push(nothingFoundNote(kit, options, selection !== undefined));
    if (whenNothingFound === 'empty') {
      const empty = emptyAnswer(reuse, notes, times, start);
      const answer: Answer = { ...empty, ...(selection && { selection }) };
      emit({ type: 'answer', answer });
      return answer;
    }
  }

  // A full prefill has a prefix of its own; the woven one shares that of all asks.
  const shared = reuse === 'full' ? 0 : prompt.prefix.end;
  const waiting = performance.now();
  const own = prompt.tokens.length - shared;
  const { answerTokens } = prompt;
  // A late probe holds cells of the answer to come.
  const begun = options.refreshLate ? answerTokens : Math.min(answerTokens, answerBlock);
  const lease = await kit.cells.acquire(own + begun, signal, own + answerTokens);
  times.wait = performance.now() - waiting;
  try {
    const compute = reuse === 'full' ? prefillAll : weaveAll;
    const isRepaired = reuse === 'woven' && prompt.hits.length > 0;
    const planned = prompt.layout === 'set' ? undefined : options.policy;
    const sample = isRepaired ? run.shadow?.sample(planned) : undefined;
    return await compute(run, prompt, times, async (ready) => {
      const result = await generate(run, ready, {
        maxTokens: answerTokens,
        reserve: answerRoom(lease, begun, signal, times),
        onFirstToken: () => {
          times.firstToken = performance.now() - start;
        },
        ...(sample && { onLogits: sample.onLogits }),
      });
      sample?.finish(question, prompt.tokens, result.tokens);
      if (result.full) notes.push('The answer ends where the context is full.');
      times.total = performance.now() - start;
      const { sources, plan, late } = ready;
      times.late = late?.milliseconds ?? 0;
      if (late && late.tokens > 0) notes.push(lateNote(late));
      const answer: Answer = {
        text: result.text,
        sources,
        usage: { ...withLate(ready.usage, late), generated: result.tokens.length },
        timings: { ...times },
        finishReason: result.finishReason,
        reuse,
        ...(plan && { plan }),
        ...(selection && { selection }),
        notes: [...notes, ...(plan?.notes ?? [])],
      };
      emit({ type: 'answer', answer });
      return answer;
    });
  } finally {
    lease.release();
  }
}

type Use = (ready: Ready) => Promise<Answer>;

/** Computes the whole prompt, nothing reused. */
async function prefillAll(
  run: AskRun,
  prompt: PreparedPrompt,
  times: Times,
  use: Use,
): Promise<Answer> {
  const { kit, signal, emit } = run;
  const sequence = kit.arena.createSequence();
  try {
    const sources = sourcesOf(kit, prompt.hits);
    emit({ type: 'loaded', sources });
    const start = performance.now();
    const { logits } = await prefillPrompt(sequence, prompt, signal);
    if (!logits) throw new ComputeError('The engine gave no logits for the prompt.');
    times.refresh = performance.now() - start;
    const { length } = prompt.tokens;
    const usage = { prompt: length, cached: 0, recomputed: 0, fresh: length };
    return await use({ sequence, logits: logits.values, usage, sources });
  } finally {
    sequence.dispose();
  }
}

/** Puts cached passages after the shared prefix, repairs them and computes the question. */
async function weaveAll(
  run: AskRun,
  prompt: PreparedPrompt,
  times: Times,
  use: Use,
): Promise<Answer> {
  const { kit, signal, emit } = run;
  const loading = performance.now();
  const prefix = await kit.prefix.use(signal);
  if (!prefix.cached) times.encode = performance.now() - loading;
  const sequence = prefix.sequence.fork();
  const obtaining = kit.library.obtain(prompt.wanted, {
    signal,
    onEncoded: encodingReporter(kit, emit),
  });
  try {
    const woven = await placePassages(sequence, obtaining.items, prompt, signal);
    times.encode += obtaining.spent.encodeMs;
    times.load = Math.max(0, performance.now() - loading - times.encode);
    const sources = sourcesOf(kit, prompt.hits, (passage): Origin => {
      const { key, cached } = woven.obtained[passage] as Obtained;
      return { cached, encodedAfter: kit.encodings.madeAs(key) };
    });
    emit({ type: 'loaded', sources });

    const target = refreshTarget(kit, prompt, woven);
    const made =
      prompt.hits.length > 0 ? await planFor(run, prompt.layout, target, times) : undefined;
    const { plan = nothingPlanned, probed = 0 } = made ?? {};
    const start = performance.now();
    const { logits } = await carryOut(target, plan, { probed, signal });
    times.refresh = performance.now() - start;
    reportUses(kit.store, target.passages, woven.obtained, plan);
    const usage = usageOf(prompt, target, plan, prefix.cached);
    const { refreshLate } = run.options;
    const late = made && refreshLate && new LateRefresh(target, plan, refreshLate);
    return await use({ sequence, logits, usage, sources, late, ...(made && { plan }) });
  } finally {
    // Cells in use by an encoding are not given back under it.
    await obtaining.settled;
    sequence.dispose();
  }
}

/** Each token of the prompt is counted once: as reused, as computed again, or as computed first now. */
function usageOf(
  prompt: PreparedPrompt,
  { passages }: RefreshTarget,
  plan: RefreshPlan,
  prefixCached: boolean,
): Omit<Usage, 'generated'> {
  let cached = prefixCached ? prompt.prefix.end : 0;
  let recomputed = 0;
  for (const view of passages) if (view.cached) cached += view.tokens.length;
  for (const { passage, tokens } of plan.passages) {
    if (passages[passage]?.cached) recomputed += tokens.length;
  }
  const { length } = prompt.tokens;
  return { prompt: length, cached: cached - recomputed, recomputed, fresh: length - cached };
}

export function nothingFoundNote(
  { retriever }: WeaveKit,
  { topK, whenNothingFound }: AskOptions,
  found: boolean,
): string {
  const what = found
    ? 'No passage was chosen'
    : topK === 0
      ? 'No passages were asked for'
      : retriever.size === 0
        ? 'No documents were ingested'
        : 'No passage matches the question';
  return whenNothingFound === 'answer'
    ? `${what}: the answer comes from the model alone.`
    : `${what}, so the model was not asked. Set whenNothingFound to 'answer' to ask it all the same.`;
}

export function emptyAnswer(
  reuse: 'woven' | 'full',
  notes: readonly string[],
  times: Times,
  start: number,
): Answer {
  return {
    text: '',
    sources: [],
    usage: { prompt: 0, cached: 0, recomputed: 0, fresh: 0, generated: 0 },
    timings: { ...times, total: performance.now() - start },
    finishReason: 'nothing-found',
    reuse,
    notes,
  };
}
