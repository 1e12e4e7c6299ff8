import type { KvSequence } from '../engine/arena.js';
import { decode, type DecodeResult } from '../engine/decode.js';
import { kvBytesPerToken } from '../engine/model-info.js';
import { ComputeError, InvalidArgumentError } from '../errors.js';
import type { PassageLayout } from '../prompt.js';
import type { RecomputePolicy, RefreshPlan } from '../reuse/policy.js';
import { hybridPolicy } from '../reuse/policies/hybrid.js';
import { assertLateRefresh, LateRefresh } from '../reuse/late/late-refresh.js';
import { carryOut } from '../reuse/refresh/carry-out.js';
import { type MadePlan, makePlan } from '../reuse/refresh/make-plan.js';
import type { RefreshTarget } from '../reuse/refresh/target.js';
import type { Answer, AnswerEvent, EncodingEvent, Source, Timings, Usage } from './answer.js';
import type { CellLease } from './cell-budget.js';
import { encodingMs } from './encoding-ms.js';
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
interface Ready {
  readonly sequence: KvSequence;
  readonly logits: Float32Array;
  readonly usage: Omit<Usage, 'generated'>;
  readonly sources: readonly Source[];
  readonly plan?: RefreshPlan;
  readonly late?: LateRefresh | undefined;
}

/** Cells that an answer takes at once. */
const answerBlock = 64;

type Times = { -readonly [name in keyof Timings]: number };

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
    const sample = isRepaired ? run.shadow?.sample() : undefined;
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

/** Takes cells for the answer block by block, so that a long one that may come does not keep others from beginning. */
function answerRoom(
  lease: CellLease,
  begun: number,
  signal: AbortSignal,
  times: Times,
): () => Promise<void> | undefined {
  let left = begun;
  return () => {
    if (left-- > 0) return undefined;
    left += answerBlock;
    const growing = lease.grow(answerBlock, signal);
    return growing && timeWait(growing, times);
  };
}

async function timeWait(waiting: Promise<void>, times: Times): Promise<void> {
  const start = performance.now();
  await waiting;
  times.wait += performance.now() - start;
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

/** Tells how far encoding is, with what all of it was expected to take before it began. */
function encodingReporter(
  { engine, costs, prefix }: WeaveKit,
  emit: AskRun['emit'],
): (done: number, total: number) => void {
  let expected: Pick<EncodingEvent, 'bytes' | 'milliseconds'> | undefined;
  return (done, total) => {
    const milliseconds = encodingMs(costs, total, prefix.length);
    expected ??= {
      bytes: total * kvBytesPerToken(engine.model.kv),
      ...(milliseconds !== undefined && { milliseconds }),
    };
    emit({ type: 'encoding', done, total, ...expected });
  };
}

const nothingPlanned: RefreshPlan = { policy: 'none', passages: [] };

const exactPolicy: RecomputePolicy = {
  name: 'none',
  plan: () => ({
    policy: 'none',
    passages: [],
    notes: ['In the layout "set" passages do not see each other, so nothing is computed again.'],
  }),
};

async function planFor(
  { kit, options, signal, emit }: AskRun,
  layout: PassageLayout,
  target: RefreshTarget,
  times: Times,
): Promise<MadePlan> {
  // In a set every passage is exact, and computing its tokens again would let them see the other passages.
  const policy: RecomputePolicy =
    layout === 'set' ? exactPolicy : (options.policy ?? hybridPolicy());
  const made = await makePlan(policy, target, signal);
  times.probe = made.probeMs;
  kit.refreshShares.observe(made.plan, target.passages);
  emit({ type: 'planned', plan: made.plan });
  return made;
}

interface Generating {
  readonly maxTokens: number;
  readonly reserve: () => Promise<void> | undefined;
  readonly onFirstToken: () => void;
  readonly onLogits?: (logits: Float32Array) => void;
}

/** Decodes, handing out text as it becomes certain. */
async function generate(
  { kit, options, signal, emit }: AskRun,
  { sequence, logits, late }: Ready,
  { maxTokens, reserve, onFirstToken, onLogits }: Generating,
): Promise<DecodeResult> {
  const { stop, sampling } = options;
  const steps = decode({
    engine: kit.engine,
    sequence,
    logits,
    maxTokens,
    reserve,
    ...(stop && { stop }),
    ...(sampling && { sampling }),
    ...(onLogits && { onLogits }),
    signal,
  });
  try {
    for (let generated = 1; ; generated++) {
      const step = await steps.next();
      if (step.done) return step.value;
      if (generated === 1) onFirstToken();
      if (step.value.text !== '') emit({ type: 'delta', text: step.value.text });
      if (kit.engine.tokenizer.isEndOfGeneration(step.value.token)) continue;
      await late?.after(generated, maxTokens - generated, signal);
    }
  } finally {
    await steps.return(undefined as never);
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

/** What is computed again while the answer is written was reused before. */
function withLate(
  usage: Omit<Usage, 'generated'>,
  { recomputed }: { readonly recomputed: number } = { recomputed: 0 },
): Omit<Usage, 'generated'> {
  return {
    ...usage,
    cached: usage.cached - recomputed,
    recomputed: usage.recomputed + recomputed,
  };
}

function lateNote({ tokens }: LateRefresh): string {
  return `${tokens} tokens of passages were computed again while the answer was written.`;
}

function nothingFoundNote(
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

function emptyAnswer(
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

function noTimes(): Times {
  return {
    retrieve: 0,
    wait: 0,
    load: 0,
    encode: 0,
    probe: 0,
    refresh: 0,
    late: 0,
    firstToken: 0,
    total: 0,
  };
}
