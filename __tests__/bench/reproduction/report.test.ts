import { expect, test } from '@jest/globals';
import type { ArmResult } from '../../../bench/fidelity/lab.js';
import { claims } from '../../../bench/reproduction/claims.js';
import type { ClaimArm, ClaimResult } from '../../../bench/reproduction/claim.js';
import { addFindings, findingsOf, printFindings } from '../../../bench/reproduction/report.js';
import { emptyOutcome } from '../../../bench/harness.js';
import { canonical, type Cell } from '../../../lib/evaluate/index.js';

const options = { samples: 200 };
const count = 12;

/** Cells of every arm of every claim; KL by policy, one value a case. */
function cellsOf(
  klOf: (warmup: string, policy: string, i: number) => number,
  impacts: (i: number) => { cci: number[]; kl: number[] } = () => ({
    cci: [0.5, 0.6, 0.7],
    kl: [1, 2, 3],
  }),
): Cell<ClaimResult>[] {
  const arms = new Map(
    claims.flatMap((one) => one.arms).map((arm) => [canonical({ ...arm }), arm]),
  );
  const resultOf = (arm: ClaimArm, i: number): ClaimResult => {
    if ('measure' in arm) {
      return arm.measure === 'layer-ranks' ? { pairs: [0.9, 0.5, 0.7] } : impacts(i);
    }
    return { kl: klOf(arm.warmup, arm.policy, i), share: arm.ratio } as ArmResult;
  };
  return [...arms.values()].flatMap((arm) =>
    Array.from({ length: count }, (_, i) => ({
      case: `${i}`,
      arm: { ...arm },
      result: resultOf(arm, i),
    })),
  );
}

/** Random is worst of all but `none`, and the warm-up with neighbours halves everything. */
const asPublished = (warmup: string, policy: string, i: number) =>
  ({ none: 1, random: 0.8, boundary: 0.7, deviation: 0.5, 'context-all': 0.5, question: 0.2 })[
    policy
  ]! *
  (warmup === 'neighbours-2' ? 0.5 : 1) *
  (1 + i / 10);

test('claims hold where cells are as the papers say, after Holm over all of them', () => {
  const findings = findingsOf(claims, cellsOf(asPublished), options);
  expect(findings.map(({ name }) => name)).toEqual([
    'cacheblend.selection',
    'cacheblend.layers',
    'cachecraft.cci',
    'cachecraft.selection',
    'epic.heads',
    'epic.selection',
    'prophetkv.overDeviation',
    'prophetkv.overRandom',
    'fusionrag.none',
    'fusionrag.refreshed',
  ]);
  expect(new Set(findings.map(({ verdict }) => verdict))).toEqual(new Set(['holds']));
  const [selection, layers, cci] = findings;
  // The mean of 1 + i / 10 over twelve cases is 1.55.
  expect(selection!.value.value).toBeCloseTo(0.3 * 1.55, 12);
  expect(selection!.p).toBe(2 / 2 ** count);
  expect(selection!.adjusted).toBeCloseTo((10 * 2) / 2 ** count, 12);
  expect(selection!.figures['share']).toBeCloseTo(0.15, 12);
  expect(selection!.figures['otherShare']).toBeCloseTo(0.15, 12);
  expect(selection!.figures['kl']).toBeCloseTo(0.5 * 1.55, 12);
  expect(layers!.value.value).toBeCloseTo(0.7, 12);
  expect(layers!.figures).toEqual({ least: 0.5, leastLayer: 2 });
  expect(cci!.value.value).toBe(1);
  expect(cci!.figures).toMatchObject({ passages: 36, pooled: 1 });
});

test('what comes out the other way round is told so, and what changes sides is told from nothing', () => {
  const findings = findingsOf(
    claims,
    cellsOf((warmup, policy, i) => {
      if (policy === 'deviation') return 0.9;
      if (policy === 'boundary') return i % 2 ? 0.7 : 0.9;
      return warmup === 'prefix' && policy === 'random' ? 0.8 : 0.5;
    }),
    options,
  );
  const of = (name: string) => findings.find((finding) => finding.name === name)!;
  expect(of('cacheblend.selection').verdict).toBe('the contrary');
  expect(of('epic.selection').verdict).toBe('not told from chance');
  expect(of('prophetkv.overRandom').verdict).toBe('holds');
  expect(of('fusionrag.none').verdict).toBe('not told from chance');
  const outcome = emptyOutcome('fake');
  addFindings(findings, outcome);
  expect(outcome.goals['cacheblend.selection.holds']).toEqual({
    value: -0.1,
    goal: 'above 0, clear after Holm',
    met: false,
  });
  expect(outcome.goals['prophetkv.overRandom.holds']).toMatchObject({ value: 0.3, met: true });
  expect(outcome.figures['epic.selection.cases']).toBe(count);
  const text = printFindings(findings);
  expect(text).toMatch(/^cacheblend\.selection .*the contrary/mu);
  expect(text).not.toContain('too few');
  expect(printFindings(findings, 'markdown')).toMatch(/^\| claim +\| value/mu);
});

test('prompts without enough passages that saw others do not count, and few prompts are told', () => {
  const cells = cellsOf(asPublished, (i) =>
    i < 4 ? { cci: [0.5, 0.6], kl: [2, 1] } : { cci: [0.5], kl: [1] },
  );
  const findings = findingsOf(claims, cells, options);
  const cci = findings.find(({ name }) => name === 'cachecraft.cci')!;
  expect(cci.cases).toBe(4);
  expect(cci.value.value).toBe(-1);
  expect(cci.p).toBe(2 / 16);
  expect(cci.verdict).toBe('not told from chance');
  expect(printFindings(findings)).toContain('With 4 prompts the smallest p is 0.125');
  const none = findingsOf(
    claims,
    cellsOf(asPublished, () => ({ cci: [], kl: [] })),
    options,
  );
  expect(none.some(({ name }) => name === 'cachecraft.cci')).toBe(false);
  expect(none).toHaveLength(findings.length - 1);
  expect(findingsOf(claims, [])).toEqual([]);
});
