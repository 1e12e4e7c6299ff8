import {
  bootstrapMean,
  type BootstrapOptions,
  bootstrapShareClosed,
  type Interval,
  mean,
  median,
  quantile,
} from '../../../lib/evaluate/index.js';
import type { Arm } from '../arms.js';
import type { ArmResult } from '../lab.js';
import { type ArmResults, paired, timeShare } from './results.js';
import { sortShare } from './sort.js';

/** What an arm comes to over its cases; intervals hold 95%. */
export interface ArmSummary {
  readonly arm: Arm;
  readonly cases: number;
  /** Mean over cases, nats a token. */
  readonly kl: Interval;
  readonly klMedian: number;
  /** 95th percentile. */
  readonly kl95: number;
  /** Share of the KL of `none` under the warm-up `prefix` that is gone. Absent where that was not run. */
  readonly removed?: Interval;
  readonly agree: Interval;
  /**
   * Share of what `none` under `prefix` loses in likelihood of the right answer against a full prefill that is won back.
   * Absent where that was not run, or loses nothing.
   */
  readonly nllClosed?: Interval;
  /** Mean share of the passages' layer-tokens that was computed. */
  readonly share: number;
  /** Medians over cases. */
  readonly ttftMs: number;
  readonly timeShare: number;
  /** Time of the probes as a share of the full prefill's; absent where it was not taken. */
  readonly probeShare?: number;
  readonly encodeMs: number;
  /** Of free-running answers, where there are any. */
  readonly answers?: AnswerSummary;
  /** Share of pairs of passages whose order is read rightly, where that was asked for. */
  readonly sort?: Interval;
}

export interface AnswerSummary {
  readonly f1: Interval;
  readonly em: Interval;
  /** F1 of what the model answers after a full prefill. */
  readonly fullF1: Interval;
  /** To the answers after a full prefill: F1, edit similarity, share of equal ones. */
  readonly sameF1: Interval;
  readonly sameEdit: Interval;
  readonly sameExact: Interval;
}

/** @param baseline `none` under the warm-up `prefix` */
export function summarize(
  results: ArmResults,
  baseline: ArmResults | undefined,
  options?: BootstrapOptions,
): ArmSummary {
  const list = [...results.byCase.values()];
  const kls = list.map(({ kl }) => kl);
  const answers = answersOf(list, options);
  const sort = sortShare(list, options);
  return {
    arm: results.arm,
    cases: list.length,
    kl: bootstrapMean(kls, options),
    klMedian: median(kls),
    kl95: quantile(kls, 0.95),
    agree: bootstrapMean(
      list.map(({ agree }) => agree),
      options,
    ),
    ...(baseline && closed(results, baseline, options)),
    share: mean(list.map(({ share }) => share)),
    ttftMs: median(list.map(({ ttftMs }) => ttftMs)),
    timeShare: median(list.map(timeShare)),
    ...(list.every(({ probeMs }) => probeMs !== undefined) && {
      probeShare: median(list.map(({ probeMs = 0, fullMs }) => probeMs / fullMs)),
    }),
    encodeMs: median(list.map(({ encodeMs }) => encodeMs)),
    ...(answers && { answers }),
    ...(sort && { sort }),
  };
}

function closed(
  results: ArmResults,
  baseline: ArmResults,
  options: BootstrapOptions | undefined,
): Pick<ArmSummary, 'removed' | 'nllClosed'> {
  const { a, b } = paired(results, baseline);
  const share = (of: (result: ArmResult) => number) =>
    mean(b.map(of)) > 0 ? bootstrapShareClosed(b.map(of), a.map(of), options) : undefined;
  const [removed, nllClosed] = [share(({ kl }) => kl), share(({ nll, fullNll }) => nll - fullNll)];
  return { ...(removed && { removed }), ...(nllClosed && { nllClosed }) };
}

function answersOf(
  list: readonly ArmResult[],
  options: BootstrapOptions | undefined,
): AnswerSummary | undefined {
  if (list.some(({ f1 }) => f1 === undefined)) return undefined;
  const of = (name: keyof AnswerSummary) =>
    bootstrapMean(
      list.map((result) => result[name] ?? NaN),
      options,
    );
  return {
    f1: of('f1'),
    em: of('em'),
    fullF1: of('fullF1'),
    sameF1: of('sameF1'),
    sameEdit: of('sameEdit'),
    sameExact: of('sameExact'),
  };
}
