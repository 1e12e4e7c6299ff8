import type { KvSequence } from '../../engine/arena.js';
import type { Span } from '../../engine/span.js';
import { ComputeError } from '../../errors.js';
import type { PassageView, RefreshPlan } from '../../reuse/policy.js';
import { carryOut } from '../../reuse/refresh/carry-out.js';
import type { RefreshTarget } from '../../reuse/refresh/target.js';
import { chunkOf } from '../../store/chunk-key.js';
import { type AnswerRun, encodingReporter, planFor, type Times } from '../answer-steps.js';
import type { WeaveKit } from '../kit.js';
import type { Obtained } from '../kv-library.js';
import { reportUses } from '../report-uses.js';
import { type ChatPassage, concat } from './conversation.js';

export interface TurnParts {
  /** What is computed before the passages: the rest of the last answer and the border. */
  readonly lead: Int32Array;
  readonly passages: readonly ChatPassage[];
  /** The question and the opening of its answer. */
  readonly asked: Int32Array;
}

export interface WovenTurn {
  /** `[vocabSize]`: of the question's last token. */
  readonly logits: Float32Array;
  /** Absent where no passages came. */
  readonly repaired?: { readonly target: RefreshTarget; readonly plan: RefreshPlan };
  /** Tokens of passages that were reused as they were, and of those that were computed again. */
  readonly cached: number;
  readonly recomputed: number;
}

/**
 * Puts a turn behind what stands in a sequence, up to its question: its passages from their cached keys and values,
 * repaired as a prompt's are. What stood there before is not touched.
 *
 * @param onLoaded called when all passages are in their place
 */
export async function weaveTurn(
  run: AnswerRun,
  sequence: KvSequence,
  { lead, passages, asked }: TurnParts,
  times: Times,
  onLoaded: (obtained: readonly Obtained[]) => void = () => {},
): Promise<WovenTurn> {
  const { kit, signal, emit } = run;
  const computing = performance.now();
  if (passages.length === 0) {
    onLoaded([]);
    const { logits } = await sequence.append(concat([lead, asked]), { signal });
    if (!logits) throw new ComputeError('The engine gave no logits for the question.');
    times.refresh += performance.now() - computing;
    return { logits: logits.values, cached: 0, recomputed: 0 };
  }
  if (lead.length > 0) await sequence.append(lead, { logits: 'none', signal });
  times.refresh += performance.now() - computing;

  const loading = performance.now();
  const obtaining = kit.library.obtain(
    passages.map(({ wanted }) => wanted),
    { signal, onEncoded: encodingReporter(kit, emit) },
  );
  try {
    const spans: Span[] = [];
    const obtained: Obtained[] = [];
    for (const item of obtaining.items) {
      const got = await item;
      obtained.push(got);
      spans.push(await sequence.splice(got.record.kv, { signal }));
    }
    times.encode += obtaining.spent.encodeMs;
    times.load += Math.max(0, performance.now() - loading - obtaining.spent.encodeMs);
    onLoaded(obtained);
    const target = targetOf(kit, { sequence, passages, spans, obtained, asked });
    const { plan, probed } = await planFor(run, 'sequence', target, times);
    const start = performance.now();
    const { logits } = await carryOut(target, plan, { probed, signal });
    times.refresh += performance.now() - start;
    reportUses(kit.store, target.passages, obtained, plan);
    return { logits, repaired: { target, plan }, ...reused(target, plan) };
  } finally {
    // Cells in use by an encoding are not given back under it.
    await obtaining.settled;
  }
}

interface Placed {
  readonly sequence: KvSequence;
  readonly passages: readonly ChatPassage[];
  readonly spans: readonly Span[];
  readonly obtained: readonly Obtained[];
  readonly asked: Int32Array;
}

function targetOf(
  { engine, costs, prefix }: WeaveKit,
  { sequence, passages, spans, obtained, asked }: Placed,
): RefreshTarget {
  const views = passages.map(({ hit, wanted }, i): PassageView => {
    const { key, record, cached } = obtained[i] as Obtained;
    const { context, details } = record;
    // In a conversation entries stand at their own numbers.
    const { start } = spans[i] as Span;
    return {
      chunkId: hit.chunk.id,
      documentId: hit.chunk.documentId,
      key: chunkOf(wanted.key),
      tokens: wanted.tokens,
      position: start,
      exact: start === prefix.length && key === chunkOf(wanted.key) && !context,
      cached,
      ...(context && { context }),
      ...(details !== undefined && { details }),
    };
  });
  const { msPerToken } = costs;
  return {
    model: engine.model,
    sequence,
    spans,
    passages: views,
    question: asked,
    ...(msPerToken !== undefined && { msPerToken }),
  };
}

function reused(
  { passages }: RefreshTarget,
  plan: RefreshPlan,
): Pick<WovenTurn, 'cached' | 'recomputed'> {
  let cached = 0;
  let recomputed = 0;
  for (const view of passages) if (view.cached) cached += view.tokens.length;
  for (const { passage, tokens } of plan.passages) {
    if (passages[passage]?.cached) recomputed += tokens.length;
  }
  return { cached: cached - recomputed, recomputed };
}
