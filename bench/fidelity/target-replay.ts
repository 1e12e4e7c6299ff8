import { type Cell, mean } from '../../lib/evaluate/index.js';
import { fidelityTarget, InvalidArgumentError } from '../../lib/index.js';
import { seededRandom } from '../../lib/random.js';
import { coverageFor } from './policies.js';
import type { ArmResult } from './lab.js';
import { resultsByArm } from './report/results.js';

/** Where a fidelity target comes to on the questions that were measured, drawn again and again. */
export interface TargetReplay {
  readonly target: number;
  /** Mean over the checks after the first {@link settling}. */
  readonly kl: number;
  readonly coverage: number;
  /** Checks until the coverage was first within a tenth (in log-odds, of 4.6) of where it ends. */
  readonly settled: number;
  /** Mean KL with nothing computed again, and with as much as was measured at most: what is within reach. */
  readonly none: number;
  readonly least: number;
}

const settling = 200;
const checks = 2000;

/**
 * @param cells of the policies `none` and `adaptive`, the latter at some ratios: between its coverages KL is taken to be a straight line
 * @throws InvalidArgumentError where these are not
 */
export function replayTarget(
  cells: readonly Cell<ArmResult>[],
  { kl, seed }: { readonly kl: number; readonly seed: number },
): TargetReplay {
  const curves = curvesOf(cells);
  const random = seededRandom(seed);
  const target = fidelityTarget({ kl });
  const seen: { kl: number; coverage: number }[] = [];
  for (let i = 0; i < checks; i++) {
    const curve = curves[Math.floor(random() * curves.length)] as Curve;
    const { coverage } = target;
    const found = heightOf(curve, coverage);
    seen.push({ kl: found, coverage });
    target.observe({ kl: found });
  }
  const later = seen.slice(settling);
  const coverage = mean(later.map((one) => one.coverage));
  const near = seen.findIndex(
    (one) => Math.abs(logOdds(one.coverage) - logOdds(coverage)) < 0.1 * Math.log(99),
  );
  return {
    target: kl,
    kl: mean(later.map((one) => one.kl)),
    coverage,
    settled: Math.max(0, near),
    none: mean(curves.map((curve) => curve[0]?.kl ?? NaN)),
    least: mean(curves.map((curve) => curve.at(-1)?.kl ?? NaN)),
  };
}

const logOdds = (share: number): number => Math.log(share / (1 - share));

/** By ascending coverage, from none. */
type Curve = readonly { readonly coverage: number; readonly kl: number }[];

function curvesOf(cells: readonly Cell<ArmResult>[]): Curve[] {
  const results = resultsByArm(cells);
  const adaptive = results
    .filter(({ arm }) => arm.policy === 'adaptive')
    .sort((a, b) => a.arm.ratio - b.arm.ratio);
  const warmup = adaptive[0]?.arm.warmup;
  const none = results.find(({ arm }) => arm.policy === 'none' && arm.warmup === warmup);
  if (!none || adaptive.some(({ arm }) => arm.warmup !== warmup)) {
    throw new InvalidArgumentError(
      '--target: give the policies none and adaptive, under one --warmup.',
    );
  }
  return [...none.byCase].flatMap(([id, { kl }]) => {
    const points = adaptive.flatMap(({ arm, byCase }) => {
      const result = byCase.get(id);
      return result ? [{ coverage: coverageFor(arm.ratio), kl: result.kl }] : [];
    });
    return points.length === adaptive.length ? [[{ coverage: 0, kl }, ...points]] : [];
  });
}

function heightOf(curve: Curve, coverage: number): number {
  const after = curve.findIndex((point) => point.coverage >= coverage);
  if (after < 0) return curve.at(-1)?.kl ?? NaN;
  const [a, b] = [curve[Math.max(0, after - 1)], curve[after]] as [Curve[0], Curve[0]];
  if (a === b) return b.kl;
  return a.kl + ((b.kl - a.kl) * (coverage - a.coverage)) / (b.coverage - a.coverage);
}
