import { unpackStatistics } from '../../encode/packed-statistics.js';
import type { EncodingStatistics } from '../../encode/statistics.js';
import { InvalidArgumentError } from '../../errors.js';
import { assertRatio, budgetOf, refreshes } from '../budget.js';
import { heaviest } from '../heaviest.js';
import type { Narrowing } from '../narrowing.js';
import type { PassageView, PolicyInput, RecomputePolicy, RefreshPlan } from '../policy.js';

export interface ContextPolicyOptions {
  /**
   * Share of the passages' tokens to come to, in [0, 1], by scaling every passage's overhead alike. Default none:
   * the overhead is taken as it is.
   */
  readonly ratio?: number;
  /** Factor of the overhead (equation 12); default 1. The paper finds it on a validation set. */
  readonly alpha?: number;
  /**
   * Stops computing the tokens of passages that the question turns out not to look at (adaptive focus); default true.
   */
  readonly focus?: boolean;
}

/**
 * Cache-Craft (arXiv 2502.15734): a passage needs the more repair the more it leaned on what stood before it when it
 * was encoded (CCI, equation 11) and the less of that stands before it now, in that order (beta', equations 6 to 8):
 * CFO = alpha * CCI * (1 - beta') of its tokens (equation 12), those that attended most to earlier chunks (equation
 * 14). Statistics come with the record; of passages without, the first tokens are taken, and the plan's notes say so.
 *
 * Adaptive focus: the paper does not say when a passage is out of focus. Here: when the question gives it less than
 * half of an even share of its attention in a layer of the second third; looked at every second layer.
 */
export function contextPolicy(options: ContextPolicyOptions = {}): RecomputePolicy {
  const { ratio, alpha = 1, focus = true } = options;
  if (ratio !== undefined) assertRatio('contextPolicy', ratio);
  if (!(alpha >= 0 && Number.isFinite(alpha))) {
    throw new InvalidArgumentError(
      `contextPolicy: alpha is ${alpha}; give a number of at least 0.`,
    );
  }
  const name = `context(${ratio ?? `alpha ${alpha}`}${focus ? '' : ', no focus'})`;
  return {
    name,
    plan({ model, passages }: PolicyInput): RefreshPlan {
      const known = passages.map(({ details }) => unpackStatistics(details));
      const overheads = passages.map((passage, i) =>
        passage.exact ? 0 : fixOverhead(passages, i, known[i], alpha),
      );
      const counts = countsOf(passages, overheads, ratio);
      const picked = passages.map(({ tokens }, i) => {
        const scores = known[i]?.interByToken;
        // Without statistics, the earlier a token the sooner it is taken.
        const fits = scores?.length === tokens.length;
        const rows = fits ? scores : Float32Array.from(tokens, (_, token) => -token);
        return heaviest([rows], counts[i] ?? 0)[0] as Int32Array;
      });
      const missing = passages.filter(({ exact }, i) => !exact && !known[i]).length;
      return {
        policy: name,
        passages: refreshes(picked, 'they leaned most on text that is not here now'),
        ...(focus && { narrowing: focusing(model.layers) }),
        ...(missing > 0 && {
          notes: [
            `${missing} of ${passages.length} passages came without attention statistics: their first tokens were taken.`,
          ],
        }),
      };
    },
  };
}

/** CFO (equation 12), in [0, 1]. */
function fixOverhead(
  passages: readonly PassageView[],
  index: number,
  statistics: EncodingStatistics | undefined,
  alpha: number,
): number {
  const cci = statistics?.cci ?? 0.5;
  return Math.min(1, alpha * cci * (1 - matched(passages, index, statistics)));
}

/** beta' (equations 6 to 8): share of the attention to earlier chunks that stands before the passage again, in order. */
function matched(
  passages: readonly PassageView[],
  index: number,
  statistics: EncodingStatistics | undefined,
): number {
  const { context } = passages[index] as PassageView;
  if (!statistics || !context || context.chunks.length === 0) return 0;
  const before = passages.slice(0, index).map(({ key }) => key);
  let common = 0;
  let all = 0;
  /** Places in this prompt of the chunks that it saw, in the order in which it saw them. */
  const places: number[] = [];
  for (const [i, { mass }] of statistics.inter.entries()) {
    all += mass;
    const key = context.chunks[i];
    const place = key === undefined ? -1 : before.indexOf(key);
    if (place < 0) continue;
    common += mass;
    places.push(place);
  }
  return all > 0 ? (common / all) * (1 - disorder(places)) : 0;
}

/** gamma (equation 7): share of pairs whose order is another one. */
export function disorder(places: readonly number[]): number {
  const pairs = (places.length * (places.length - 1)) / 2;
  if (pairs === 0) return 0;
  let discordant = 0;
  for (const [i, place] of places.entries()) {
    for (const later of places.slice(i + 1)) if (later < place) discordant++;
  }
  return discordant / pairs;
}

/** Tokens of each passage; with a ratio, all scaled alike until they come to it. */
function countsOf(
  passages: readonly PassageView[],
  overheads: readonly number[],
  ratio: number | undefined,
): number[] {
  const counts = (scale: number): number[] =>
    passages.map(({ tokens }, i) =>
      Math.ceil(Math.min(1, scale * (overheads[i] ?? 0)) * tokens.length),
    );
  if (ratio === undefined) return counts(1);
  const budget = budgetOf(passages, ratio);
  let low = 0;
  let high = 1;
  while (sum(counts(high)) < budget && high < 2 ** 20) high *= 2;
  for (let i = 0; i < 40; i++) {
    const middle = (low + high) / 2;
    if (sum(counts(middle)) > budget) high = middle;
    else low = middle;
  }
  return counts(low);
}

function sum(list: readonly number[]): number {
  return list.reduce((total, count) => total + count, 0);
}

/** Layers at which passages out of focus are left, in the second third of the model. */
function focusing(layers: number): Narrowing[] {
  const narrowing: Narrowing[] = [];
  for (let layer = Math.ceil(layers / 3) + 1; layer < Math.ceil((2 * layers) / 3); layer += 2) {
    narrowing.push({
      layer,
      attention: true,
      reason: 'those of passages that the question looks at',
      keep({ live, attention = [] }) {
        const masses = attention.map((row) => row.reduce((total, mass) => total + mass, 0));
        const even = sum(masses) / Math.max(1, masses.length);
        return live.map((tokens, i) => ((masses[i] ?? 0) < even / 2 ? new Int32Array(0) : tokens));
      },
    });
  }
  return narrowing;
}
