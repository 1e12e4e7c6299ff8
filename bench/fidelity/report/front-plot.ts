import { type PlotSeries, svgPlot } from '../../../lib/evaluate/index.js';
import type { FidelityReport } from './fidelity-report.js';
import type { Cost } from './area-tests.js';
import type { ArmSummary } from './summary.js';

const labels = {
  share: 'layer-tokens of the passages recomputed, probes included',
  time: "time to first token, share of the full prefill's",
} as const;

/**
 * The Pareto front as SVG: a line for each warm-up and policy. The full prefill, to which KL is measured, is left out;
 * the floor is a line across.
 */
export function frontPlot({ all }: FidelityReport, cost: Cost, title?: string): string {
  const drawn = all.filter(({ arm }) => arm.policy !== 'full' && arm.policy !== 'floor');
  const floor = all.find(({ arm }) => arm.policy === 'floor');
  // What differs by orders of magnitude is seen on a logarithmic axis only, which has no zero.
  const isLog = drawn.every(({ kl }) => kl.value > 0);
  return svgPlot({
    ...(title !== undefined && { title }),
    x: { label: labels[cost], percent: true },
    y: { label: 'mean KL to the full prefill, nats a token', scale: isLog ? 'log' : 'linear' },
    series: seriesOf(drawn, cost),
    ...(floor &&
      !(isLog && floor.kl.value === 0) && {
        levels: [{ name: 'numerical floor', y: floor.kl.value }],
      }),
    front: true,
  });
}

function seriesOf(summaries: readonly ArmSummary[], cost: Cost): PlotSeries[] {
  const lines = new Map<string, ArmSummary[]>();
  for (const summary of summaries) {
    const name = `${summary.arm.warmup}, ${summary.arm.policy}`;
    lines.set(name, [...(lines.get(name) ?? []), summary]);
  }
  return [...lines].map(([name, list]) => ({
    name,
    points: list
      .toSorted((a, b) => a.arm.ratio - b.arm.ratio)
      .map(({ arm, kl, share, timeShare }) => ({
        x: cost === 'share' ? share : timeShare,
        y: kl,
        label: `ratio ${arm.ratio}`,
      }))
      .filter(({ x }) => Number.isFinite(x)),
  }));
}
