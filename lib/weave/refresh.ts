import type { KvSequence, RowGroup, Span } from '../engine/arena.js';
import { ComputeError } from '../errors.js';
import { checkPlan, plannedTokens } from '../reuse/check-plan.js';
import type {
  PolicyProbes,
  QuestionAttention,
  QuestionAttentionOptions,
  RecomputePolicy,
  RefreshPlan,
} from '../reuse/policy.js';
import { PolicyError } from '../reuse/policy-error.js';
import type { WeaveKit } from './kit.js';
import type { PreparedPrompt } from './prepare.js';

/** A sequence that holds prefix and passages, ready for the question. */
export interface Woven {
  readonly sequence: KvSequence;
  /** Entries of each passage. */
  readonly spans: readonly Span[];
  readonly cached: readonly boolean[];
}

export interface Planned {
  readonly plan: RefreshPlan;
  readonly probeMs: number;
}

/**
 * Asks the policy what to compute again.
 * @throws PolicyError when it fails, or when its plan cannot be carried out.
 */
export async function planRefresh(
  kit: Pick<WeaveKit, 'engine'>,
  prompt: PreparedPrompt,
  woven: Woven,
  policy: RecomputePolicy,
  signal: AbortSignal,
): Promise<Planned> {
  const question = prompt.tokens.subarray(prompt.question.start, prompt.question.end);
  let probeMs = 0;
  let probeError: unknown;
  const probes: PolicyProbes = {
    async questionAttention(options = {}) {
      const start = performance.now();
      try {
        return await questionAttention(woven, question, options, signal);
      } catch (error) {
        probeError = error;
        throw error;
      } finally {
        probeMs += performance.now() - start;
      }
    },
  };
  const passages = prompt.hits.map(({ chunk }, i) => ({
    chunkId: chunk.id,
    documentId: chunk.documentId,
    tokens: prompt.wanted[i]?.tokens ?? new Int32Array(0),
    position: prompt.passages[i]?.start ?? 0,
    // Right after the prefix a passage stands where it stood when it was encoded.
    exact: i === 0,
    cached: woven.cached[i] ?? false,
  }));
  let plan: RefreshPlan;
  try {
    const { model } = kit.engine;
    plan = await policy.plan({ model, passages, questionTokens: question.length, probes, signal });
  } catch (error) {
    signal.throwIfAborted();
    // What a probe reports is the engine's to say, not the policy's.
    if (error === probeError) throw error;
    throw new PolicyError(policy.name, `failed: ${String(error)}`, { cause: error });
  }
  checkPlan(policy.name, plan, passages);
  return { plan, probeMs };
}

/** Computes planned tokens again and the question with them, in one batch. Resolves to the next logits. */
export async function refreshAndAsk(
  prompt: PreparedPrompt,
  woven: Woven,
  plan: RefreshPlan,
  signal: AbortSignal,
): Promise<Float32Array> {
  const { sequence } = woven;
  const groups: RowGroup[] = [];
  const entries = entriesOf(plan, woven.spans);
  if (entries.length > 0) groups.push({ kind: 'refresh', sequence, entries });
  groups.push({
    kind: 'append',
    sequence,
    tokens: prompt.tokens.slice(prompt.question.start, prompt.question.end),
  });
  const { logits } = await sequence.arena.forward(groups, { signal });
  if (!logits) throw new ComputeError('The engine gave no logits for the question.');
  return logits.values;
}

function entriesOf(plan: RefreshPlan, spans: readonly Span[]): Int32Array {
  const entries = new Int32Array(plannedTokens(plan));
  let n = 0;
  for (const { passage, tokens } of plan.passages) {
    const start = spans[passage]?.start ?? 0;
    for (const token of tokens) entries[n++] = start + token;
  }
  return entries.sort();
}

async function questionAttention(
  { sequence, spans }: Woven,
  question: Int32Array,
  options: QuestionAttentionOptions,
  signal: AbortSignal,
): Promise<QuestionAttention> {
  const { lastTokens = question.length, ...request } = options;
  const asking = question.subarray(Math.max(0, question.length - lastTokens));
  const { layers, byEntry } = await sequence.probe(asking, { ...request, signal });
  const rows = options.perLayer ? layers.length : 1;
  const width = byEntry.length / rows;
  const passages = spans.map(({ start, end }) => {
    if (rows === 1) return byEntry.subarray(start, end);
    const weights = new Float32Array(rows * (end - start));
    for (let row = 0; row < rows; row++) {
      weights.set(byEntry.subarray(row * width + start, row * width + end), row * (end - start));
    }
    return weights;
  });
  return { layers, passages };
}
