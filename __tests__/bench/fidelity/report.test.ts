import { expect, test } from '@jest/globals';
import { type Cell, memoryLog } from '../../../lib/evaluate/index.js';
import { InvalidArgumentError } from '../../../lib/index.js';
import { armsOf } from '../../../bench/fidelity/arms.js';
import { fidelityGoals, probeGoals } from '../../../bench/fidelity/goals.js';
import type { ArmResult } from '../../../bench/fidelity/lab.js';
import { fidelityReport, frontPlot, printReport } from '../../../bench/fidelity/report.js';
import { withTimesOf } from '../../../bench/fidelity/times.js';

const plain: ArmResult = {
  kl: 0,
  agree: 1,
  nll: 2,
  fullNll: 2,
  share: 0,
  ttftMs: 10,
  fullMs: 100,
  encodeMs: 50,
  near: false,
};

/** Cells of one arm: the values that each case has in place of {@link plain}. */
function arm(
  warmup: string,
  policy: string,
  ratio: number,
  ...results: Partial<ArmResult>[]
): Cell<ArmResult>[] {
  return results.map((result, i) => ({
    case: `${i}`,
    arm: { warmup, policy, ratio },
    result: { ...plain, ...result },
  }));
}

const none = arm(
  'prefix',
  'none',
  0,
  { kl: 0.4, agree: 0.5, nll: 3, near: true },
  { kl: 0.2, agree: 0.7, nll: 2.5 },
  { kl: 0.6, agree: 0.6, nll: 3.5 },
);

const options = { bootstrap: { samples: 200 } };

test('each arm has the means, medians and shares that its cases give', () => {
  const question = arm(
    'prefix',
    'question',
    0.15,
    { kl: 0.1, agree: 0.9, nll: 2.2, share: 0.18, ttftMs: 30, near: true },
    { kl: 0.05, agree: 1, nll: 2.1, share: 0.2, ttftMs: 20, fullMs: 50 },
    { kl: 0.09, agree: 0.8, nll: 2.3, share: 0.16, ttftMs: 35 },
  );
  const { all } = fidelityReport([...none, ...question], options);
  expect(all).toHaveLength(2);
  const [before, after] = all;
  expect(before!.kl.value).toBeCloseTo(0.4, 12);
  expect(before!.removed!.value).toBeCloseTo(0, 12);
  expect(before!.nllClosed!.value).toBeCloseTo(0, 12);
  expect(after!.arm).toEqual({ warmup: 'prefix', policy: 'question', ratio: 0.15 });
  expect(after!.cases).toBe(3);
  expect(after!.kl.value).toBeCloseTo(0.08, 12);
  expect(after!.kl.low).toBeGreaterThanOrEqual(0.05 - 1e-9);
  expect(after!.kl.high).toBeLessThanOrEqual(0.1 + 1e-9);
  expect(after!.klMedian).toBeCloseTo(0.09, 12);
  expect(after!.kl95).toBeCloseTo(0.099, 12);
  expect(after!.removed!.value).toBeCloseTo(1 - 0.24 / 1.2, 12);
  // `none` loses 1, 0.5 and 1.5 nats, of which 0.2, 0.1 and 0.3 are left.
  expect(after!.nllClosed!.value).toBeCloseTo(0.8, 12);
  expect(after!.agree.value).toBeCloseTo(0.9, 12);
  expect(after!.share).toBeCloseTo(0.18, 12);
  expect(after!.ttftMs).toBe(30);
  // 0.3, 0.4 and 0.35: each against its own full prefill.
  expect(after!.timeShare).toBeCloseTo(0.35, 12);
  expect(after!.answers).toBeUndefined();
});

test('shares are of `none` under the warm-up prefix, and of the same cases', () => {
  const document = arm('document', 'none', 0, { kl: 0.1 }, { kl: 0.05 });
  const [, other] = fidelityReport([...none, ...document], options).all;
  expect(other!.cases).toBe(2);
  // The third case was not run: its 0.6 does not count.
  expect(other!.removed!.value).toBeCloseTo(1 - 0.15 / 0.6, 12);
  const [alone] = fidelityReport(document, options).all;
  expect(alone!.removed).toBeUndefined();
  expect(alone!.nllClosed).toBeUndefined();
});

test('prompts that hold a predecessor are shown apart', () => {
  const report = fidelityReport(none, options);
  expect(report.near![0]!.kl.value).toBe(0.4);
  expect(report.near![0]!.cases).toBe(1);
  expect(report.apart![0]!.kl.value).toBeCloseTo(0.4, 12);
  expect(report.apart![0]!.cases).toBe(2);
  expect(fidelityReport(none.slice(1), options)).not.toHaveProperty('near');
  expect(fidelityReport(none.slice(0, 1), options)).not.toHaveProperty('apart');
});

test('answers are summed up where all cases have them', () => {
  const given = { em: 0, fullF1: 0.5, sameF1: 0.6, sameEdit: 0.7, sameExact: 0 };
  const cells = arm('prefix', 'question', 0.1, { ...given, f1: 0.2 }, { ...given, f1: 0.6 });
  const [summary] = fidelityReport(cells, options).all;
  expect(summary!.answers!.f1.value).toBeCloseTo(0.4, 12);
  expect(summary!.answers!.sameEdit.value).toBeCloseTo(0.7, 12);
  expect(printReport(fidelityReport(cells, options))).toContain('its F1 is 0.500 [0.500, 0.500]');
});

/** KL of cases at each ratio, which takes that share of layer-tokens, and of the time five percent more. */
function curve(policy: string, heights: Readonly<Record<number, number>>, cases: number) {
  return Object.entries(heights).flatMap(([ratio, kl]) =>
    arm(
      'prefix',
      policy,
      Number(ratio),
      ...Array.from({ length: cases }, (_, i) => ({
        kl: kl * (1 + i / 10),
        share: Number(ratio),
        ttftMs: 100 * (Number(ratio) + 0.05),
      })),
    ),
  );
}

test('a policy is compared with each other one by the area under its curve', () => {
  const cases = 8;
  const cells = [
    ...curve('none', { 0: 1 }, cases),
    ...curve('hybrid', { 0.05: 0.5, 0.25: 0.1 }, cases),
    ...curve('question', { 0.05: 0.6, 0.25: 0.2 }, cases),
    ...curve('deviation', { 0.25: 0.1 }, cases),
    ...curve('full', { 1: 0 }, cases),
    ...arm('prefix', 'floor', 1, ...Array.from({ length: cases }, () => ({ kl: 0.001 }))),
    // Nothing to compare with under this warm-up.
    ...arm('text', 'question', 0.05, ...Array.from({ length: cases }, () => ({ kl: 0.2 }))),
  ];
  const report = fidelityReport(cells, { against: 'hybrid', ...options });
  const tests = report.tests.filter(({ cost }) => cost === 'time');
  expect(tests.map(({ other }) => other)).toEqual(['question', 'deviation']);
  const scale = 1 + 0.35; // mean over cases of 1 + i / 10
  // From (5%, 1) over (10%, 0.5) to (30%, 0.1).
  const own = (0.75 * 0.05 + 0.3 * 0.2) / 0.25;
  const its = (0.8 * 0.05 + 0.4 * 0.2) / 0.25;
  expect(tests[0]!.area).toBeCloseTo(own * scale, 9);
  expect(tests[0]!.otherArea).toBeCloseTo(its * scale, 9);
  expect(tests[1]!.otherArea).toBeCloseTo(0.55 * scale, 9);
  expect(tests[0]!.difference.value).toBeCloseTo((own - its) * scale, 9);
  expect(tests[0]!.difference.high).toBeLessThan(0);
  // All eight differences have one sign: 2 of 256 patterns, of two tests.
  expect(tests[0]!.p).toBeCloseTo(2 / 256, 12);
  expect(tests[0]!.adjusted).toBeCloseTo(4 / 256, 12);
  expect(tests.map(({ verdict }) => verdict)).toEqual(['better', 'better']);
  // From (5%, 0.5) over (25%, 0.1), and no lower beyond.
  const byShare = report.tests.filter(({ cost }) => cost === 'share');
  expect(byShare.map(({ other }) => other)).toEqual(['question', 'deviation']);
  expect(byShare[0]!.area).toBeCloseTo(((0.3 * 0.2 + 0.1 * 0.05) / 0.25) * scale, 9);
  const turned = fidelityReport(cells, { against: 'deviation', ...options }).tests;
  expect(turned.find(({ other, cost }) => other === 'hybrid' && cost === 'time')!.verdict).toBe(
    'worse',
  );
});

test('few cases tell nothing apart, cases that lack a ratio are not compared', () => {
  const cells = [
    ...curve('hybrid', { 0.05: 0.5, 0.25: 0.1 }, 4),
    ...curve('question', { 0.05: 0.6, 0.25: 0.2 }, 4),
  ];
  const { tests } = fidelityReport(cells.slice(0, -1), { against: 'hybrid', ...options });
  expect(tests.map(({ cost }) => cost)).toEqual(['share', 'time']);
  expect(tests[0]!.cases).toBe(3);
  expect(tests[0]!.p).toBe(2 / 8);
  expect(tests[0]!.verdict).toBe('not told apart');
});

function comparison(cells: readonly Cell<ArmResult>[]) {
  return fidelityReport(cells, { against: 'hybrid', ...options });
}

test('times of an earlier run stand in for those of a busy machine', async () => {
  const quiet = [
    ...curve('none', { 0: 1 }, 3),
    ...curve('hybrid', { 0.05: 0.5, 0.25: 0.1 }, 3),
    ...curve('question', { 0.05: 0.6, 0.25: 0.2 }, 3),
  ];
  const busy = quiet.map((cell, i) => ({
    ...cell,
    result: { ...cell.result, ttftMs: 40 + 60 * i, fullMs: 200 },
  }));
  const [extra] = arm(
    'prefix',
    'boundary',
    0.25,
    { kl: 0.2, ttftMs: 50 },
    { kl: 0.2 },
    { kl: 0.2 },
  );
  const lines = ['{"about":{}}', ...quiet.map((cell) => JSON.stringify(cell)), '{"case":"0","ar'];
  const told = await withTimesOf(memoryLog(lines), [...busy, extra!]);
  expect(comparison(told).tests.filter(({ other }) => other === 'question')).toEqual(
    comparison(quiet).tests.map((test) => ({ ...test, adjusted: expect.anything() })),
  );
  // What the log does not know has no time, and is compared by its share only.
  const unknown = comparison(told).tests.filter(({ other }) => other === 'boundary');
  expect(unknown.map(({ cost }) => cost)).toEqual(['share']);
  expect(printReport(comparison(told))).toMatch(/^prefix +boundary .* - +- +50$/mu);
  expect(frontPlot(comparison(told), 'time')).not.toContain('boundary, ratio');
});

test('a policy may have ratios of its own', () => {
  const arms = armsOf(['text'], ['none', 'hybrid', 'boundary:0.1:0.3'], [0.05, 0.2]);
  expect(arms.map(({ policy, ratio }) => `${policy} ${ratio}`)).toEqual([
    'none 0',
    'none 0',
    'hybrid 0.05',
    'hybrid 0.2',
    'boundary 0.1',
    'boundary 0.3',
  ]);
  expect(() => armsOf(['text'], ['boundary:much'], [])).toThrow(InvalidArgumentError);
  expect(() => armsOf(['text'], ['nobody:0.1'], [])).toThrow('There is no policy "nobody"');
});

test('what was not run cannot be compared with, cells of another bench are refused', () => {
  expect(() => fidelityReport(none, { against: 'hybrid' })).toThrow(InvalidArgumentError);
  const cell = { case: '0', arm: { policy: 'none' }, result: plain };
  expect(() => fidelityReport([cell])).toThrow(InvalidArgumentError);
});

test('the print holds every arm and the floor, the pictures all but full and floor', () => {
  const cells = [
    ...none,
    ...arm('document', 'question', 0.05, { kl: 0.11, ttftMs: 25, share: 0.07 }, {}, {}),
    ...arm('document', 'question', 0.15, { kl: 0.1, ttftMs: 30, share: 0.2 }, {}, {}),
    ...arm('prefix', 'full', 1, { kl: 0 }, {}, {}),
    ...arm('prefix', 'floor', 1, { kl: 0.006, agree: 0.98 }, {}, {}),
  ];
  const report = fidelityReport(cells, { against: 'question', ...options });
  const text = printReport(report);
  expect(text).toContain('KL 0.0020 [0.0000, 0.0060], agreement 0.993');
  expect(text).toMatch(/^document +question +0\.15 +3 +0\.0333 \[/mu);
  expect(text).toMatch(/^prefix +full +1 +3 +0\.0000 \[/mu);
  expect(text).toContain("Only prompts that hold a passage's predecessor.");
  const markdown = printReport(report, { format: 'markdown' });
  expect(markdown).toMatch(/^\| warm-up +\| policy +\| ratio \|/mu);
  for (const cost of ['share', 'time'] as const) {
    const svg = frontPlot(report, cost, 'MuSiQue');
    expect(svg).toContain('>prefix, none</text>');
    expect(svg).toContain('>document, question</text>');
    expect(svg).toContain('>numerical floor</text>');
    expect(svg).not.toContain('full</text>');
  }
  expect(frontPlot(report, 'share')).toContain('document, question, ratio 0.05, 0.02333, 0.03667');
  expect(frontPlot(report, 'time')).toContain('document, question, ratio 0.15, 0.1, 0.03333');
});

/** The full prefill reads this share of eight pairs of each of two cases. */
const read = (fullSort: number) => [
  ...arm(
    'prefix',
    'none',
    0,
    { sort: 0.5, fullSort, sortPairs: 8 },
    { sort: 0.25, fullSort, sortPairs: 8 },
  ),
  ...arm(
    'prefix',
    'full',
    1,
    { sort: fullSort, fullSort, sortPairs: 8 },
    { sort: fullSort, fullSort, sortPairs: 8 },
  ),
];

test('SORT is told of each arm where the full prefill is above chance, and of none where it is not', () => {
  const able = fidelityReport(read(0.875), options);
  // Two cases of eight pairs, whatever the number of arms: 14 of 16; 1 + 16 + 120 of 65,536.
  expect(able.sort).toMatchObject({ right: 14, pairs: 16, isAboveChance: true });
  expect(able.sort!.p).toBeCloseTo(137 / 65_536, 12);
  expect(able.all[0]!.sort!.value).toBeCloseTo(0.375, 12);
  const text = printReport(able);
  expect(text).toContain('right in 14 of 16 pairs (87.5%, p 0.0021), above chance.');
  expect(text).toMatch(/^prefix +none +0 +37\.5 \[25\.0, 50\.0\]/mu);
  const blind = printReport(fidelityReport(read(0.625), options));
  expect(blind).toContain('right in 10 of 16 pairs');
  expect(blind).toContain('which is at chance');
  expect(blind).not.toContain('SORT %');
  expect(printReport(fidelityReport(none, options))).not.toContain('SORT');
});

test('SORT stands beside answers, and its verdict above them', () => {
  const given = { f1: 0.2, em: 0, fullF1: 0.5, sameF1: 0.6, sameEdit: 0.7, sameExact: 0 };
  const cells = (fullSort: number) =>
    arm('prefix', 'question', 0.1, { ...given, sort: 0.75, fullSort, sortPairs: 8 });
  const able = printReport(fidelityReport(cells(1), options));
  expect(able).toMatch(/^warm-up +policy +ratio +F1 .*SORT %/mu);
  const blind = printReport(fidelityReport(cells(0.5), options));
  expect(blind).toContain('its F1 is 0.500 [0.500, 0.500]. SORT');
  expect(blind).toMatch(/^warm-up +policy +ratio +F1 .*equal to full$/mu);
});

test('probes have a share of their own, held to its goal where prompts are long', () => {
  const timed = arm(
    'document',
    'hybrid',
    0.05,
    { probeMs: 1 },
    { probeMs: 3 },
    { probeMs: 4, fullMs: 200 },
  );
  const { figures } = fidelityGoals([...none, ...timed], 'hybrid');
  expect(figures['document.hybrid.0.05.probe']).toBe(0.02);
  expect(figures['prefix.none.0.probe']).toBeUndefined();
  expect(probeGoals(figures, 'hybrid', 1000)).toEqual({});
  expect(probeGoals(figures, 'question', 4000)).toEqual({});
  expect(probeGoals({ ...figures, 'document.hybrid.0.1.probe': 0.03 }, 'hybrid', 4000)).toEqual({
    'document.hybrid.0.05.probe': { value: 0.02, goal: '<= 0.02', met: true },
    'document.hybrid.0.1.probe': { value: 0.03, goal: '<= 0.02', met: false },
  });
});
