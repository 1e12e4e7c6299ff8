import { describe, expect, test } from '@jest/globals';
import {
  cellsTable,
  defineExperiment,
  experimentPage,
  experimentTable,
  type ExperimentProgress,
  memoryLog,
  pairedTest,
} from '../../../../lib/evaluate/index.js';
import { InvalidArgumentError } from '../../../../lib/index.js';

const items = Array.from({ length: 12 }, (_, i) => ({ id: `q${i}`, base: i / 10 }));

/** Scores rise with `size`, less so `rough`, and a little with the seed. */
function sample(broken: (size: number, id: string) => boolean = () => false) {
  const ran: string[] = [];
  const experiment = defineExperiment({
    name: 'sizes <&> kinds',
    grid: { size: [100, 200, 400], kind: ['fine', 'rough'] },
    seeds: [1, 2],
    data: items,
    run({ setting, item, seed }) {
      ran.push(`${item.id} ${setting.size} ${setting.kind} ${seed}`);
      if (broken(setting.size, item.id)) throw new Error(`no luck with ${item.id}`);
      const gain = setting.kind === 'fine' ? 1 : 0.5;
      return { score: item.base + (gain * setting.size) / 1000 + seed / 100, ms: setting.size * 2 };
    },
    metrics: {
      score: ({ score }) => score,
      ms: { of: ({ ms }) => ms, better: 'less' },
      high: ({ score }, { base }) => (base > 0.5 ? score : undefined),
    },
    keep: ({ ms }) => `took ${ms}`,
  });
  return { experiment, ran };
}

test('every setting is run on every item with every seed, and summed up', async () => {
  const { experiment, ran } = sample();
  const told: ExperimentProgress[] = [];
  const outcome = await experiment.run({ onProgress: (progress) => told.push(progress) });
  expect(experiment.settings).toHaveLength(6);
  expect(new Set(ran).size).toBe(12 * 6 * 2);
  expect(told.at(-1)).toMatchObject({ done: 144, total: 144, failed: 0, leftMs: 0 });
  const { label, cells, means } = outcome.summary({ kind: 'rough', size: 400 });
  expect([label, cells]).toEqual(['size=400, kind=rough', 24]);
  // The mean of 0 to 1.1 in steps of 0.1, 0.2 for the size, 0.015 for the seeds.
  expect(means.score?.value).toBeCloseTo(0.55 + 0.2 + 0.015, 10);
  expect(means.score!.low).toBeLessThan(means.score!.value);
  // Of items over 0.5 only.
  expect(means.high?.value).toBeCloseTo(0.85 + 0.2 + 0.015, 10);
  expect(outcome.cells[0]).toEqual({
    setting: { size: 100, kind: 'fine' },
    item: 'q0',
    seed: 1,
    metrics: { score: 0.11, ms: 200 },
    kept: 'took 200',
  });
});

test('settings are compared item by item, by which way a metric counts', async () => {
  const outcome = await sample().experiment.run();
  const baseline = { size: 200, kind: 'fine' } as const;
  const byScore = outcome.compare('score', baseline);
  expect(byScore).toHaveLength(5);
  const small = byScore.find(({ setting }) => setting.size === 100 && setting.kind === 'fine')!;
  expect(small.items).toBe(12);
  expect(small.difference.value).toBeCloseTo(-0.1, 10);
  // All signs agree: 2 of 4096 arrangements are as far apart, times five comparisons.
  const { p } = pairedTest(
    Array.from({ length: 12 }, () => 0.1),
    Array.from({ length: 12 }, () => 0),
  );
  expect(small.p).toBeCloseTo(p * 5, 10);
  expect(small.verdict).toBe('worse');
  const verdicts = outcome
    .compare('ms', baseline)
    .map(({ setting, verdict }) => [setting.size, verdict]);
  expect(verdicts).toEqual([
    [100, 'better'],
    [100, 'better'],
    [200, 'open'],
    [400, 'worse'],
    [400, 'worse'],
  ]);
  expect(() => outcome.compare('score', { size: 200, kind: 'coarse' } as never)).toThrow(
    /no setting/,
  );
  expect(() => outcome.compare('speed' as never)).toThrow(
    /no metric "speed", only score, ms, high/,
  );
});

test('a cell that fails ends nothing, is reported, and is tried again', async () => {
  const lines: string[] = [];
  const first = sample((size, id) => size === 200 && id === 'q3');
  const outcome = await first.experiment.run({ log: memoryLog(lines) });
  expect(outcome.cells).toHaveLength(140);
  expect(outcome.failed).toHaveLength(4);
  expect(outcome.failed[0]).toEqual({
    setting: { size: 200, kind: 'fine' },
    item: 'q3',
    seed: 1,
    problem: 'Error: no luck with q3',
  });
  // What failed is left out on both sides.
  expect(outcome.compare('score', { size: 200, kind: 'fine' })[0]?.items).toBe(11);
  const second = sample();
  const again = await second.experiment.run({ log: memoryLog(lines), concurrency: 3 });
  expect(second.ran).toHaveLength(4);
  expect(again).toMatchObject({ failed: [] });
  expect(experimentTable(again)).toBe(experimentTable(await sample().experiment.run()));
});

test('an abort leaves a log to go on from', async () => {
  const lines: string[] = [];
  const controller = new AbortController();
  const { experiment, ran } = sample();
  const running = experiment.run({
    log: memoryLog(lines),
    signal: controller.signal,
    onProgress: ({ done }) => done === 50 && controller.abort(new Error('enough')),
  });
  await expect(running).rejects.toThrow('enough');
  await experiment.run({ log: memoryLog(lines) });
  expect(ran).toHaveLength(144);
});

test('what settings share is made once and given back, whatever fails', async () => {
  const made: string[] = [];
  const released: string[] = [];
  const experiment = defineExperiment({
    name: 'shared',
    grid: { size: [1, 2, 3] },
    data: ['a', 'b'],
    prepare({ size }) {
      made.push(`${size}`);
      if (size === 2) throw new Error('no room');
      return { name: `index ${size}` };
    },
    release: ({ name }) => void released.push(name),
    run: ({ prepared, item }) => `${prepared.name} ${item}`.length,
    metrics: { length: (length) => length },
  });
  const outcome = await experiment.run({ concurrency: 2 });
  expect(made.toSorted()).toEqual(['1', '2', '3']);
  expect(released.toSorted()).toEqual(['index 1', 'index 3']);
  expect(outcome.failed.map(({ setting, problem }) => [setting.size, problem])).toEqual([
    [2, 'Error: no room'],
    [2, 'Error: no room'],
  ]);
  expect(outcome.summary({ size: 2 }).means).toEqual({});
  expect(outcome.compare('length', { size: 2 })).toEqual([]);
  expect(experimentPage(outcome)).toContain('2 failed');
});

describe('bad input', () => {
  const rest = { name: 'x', data: [1], run: () => 1, metrics: { one: () => 1 } };

  test.each([
    [{}, /grid is empty/],
    [{ size: [] }, /"size" of the grid has no values/],
    [{ size: [1, 1] }, /"size" has the value 1 twice/],
    [{ size: [NaN] }, /value NaN/],
    [{ size: [() => 1] as unknown as number[] }, /give finite numbers/],
  ])('the grid %j', (grid: Record<string, readonly number[]>, message) => {
    expect(() => defineExperiment({ ...rest, grid })).toThrow(message);
    expect(() => defineExperiment({ ...rest, grid })).toThrow(InvalidArgumentError);
  });

  test('no name, no metrics, no seeds, no data, an id twice, nothing kept', async () => {
    const grid = { size: [1] };
    expect(() => defineExperiment({ ...rest, grid, name: ' ' })).toThrow(/needs a name/);
    expect(() => defineExperiment({ ...rest, grid, metrics: {} })).toThrow(/no metrics/);
    expect(() => defineExperiment({ ...rest, grid, seeds: [1, 1] })).toThrow(/seeds/);
    expect(() => defineExperiment({ ...rest, grid, seeds: [] })).toThrow(/seeds/);
    expect(() => defineExperiment({ ...rest, grid, where: () => false })).toThrow(/keeps no/);
    await expect(defineExperiment({ ...rest, grid, data: [] }).run()).rejects.toThrow(/no items/);
    const twice = defineExperiment({ ...rest, grid, data: async () => [{ id: 'a' }, { id: 'a' }] });
    await expect(twice.run()).rejects.toThrow(/Two items of "x" have the id "a"/);
  });

  test('a metric that gives no number fails its cell, and says which', async () => {
    const experiment = defineExperiment({
      ...rest,
      grid: { size: [1, 2] },
      metrics: { good: () => 1, ratio: (_: number, item: number) => (item > 1 ? 0 / 0 : 1) },
      data: [1, 2],
    });
    const { cells, failed } = await experiment.run();
    expect(cells).toHaveLength(2);
    expect(failed[0]?.problem).toMatch(/metric "ratio" gave NaN/);
  });

  test('a log of another experiment, or of other metrics', async () => {
    const lines: string[] = [];
    const grid = { size: [1] };
    await defineExperiment({ ...rest, grid, about: { model: 'm' } }).run({ log: memoryLog(lines) });
    const base = { about: { model: 'm' }, ...rest, grid };
    for (const other of [
      defineExperiment({ ...base, name: 'y' }),
      defineExperiment({ ...base, metrics: { two: () => 2 } }),
      defineExperiment({ ...base, about: { model: 'n' } }),
    ]) {
      const run = other.run({ log: memoryLog(lines) });
      await expect(run).rejects.toThrow(/This log is about .*, not about/);
    }
    // More of the same is welcome.
    const more = { ...rest, about: { model: 'm' }, grid: { size: [1, 2] }, seeds: [1, 2] };
    const outcome = await defineExperiment(more).run({ log: memoryLog(lines) });
    expect(outcome.cells).toHaveLength(4);
  });

  test('types: a setting has what the grid has, an outcome what the metrics are called', async () => {
    const experiment = defineExperiment({
      name: 'types',
      grid: { size: [1, 2], kind: ['a', 'b'] },
      data: [{ question: 'x' }],
      run({ setting, item }) {
        const kind: 'a' | 'b' = setting.kind;
        const size: 1 | 2 = setting.size;
        // @ts-expect-error: the grid has no such axis
        const none: unknown = setting.topK;
        return `${kind}${size}${item.question}${none}`;
      },
      metrics: { length: (output) => output.length },
    });
    const outcome = await experiment.run();
    expect(outcome.compare('length')).toHaveLength(3);
    // @ts-expect-error: no such metric
    expect(() => outcome.compare('width')).toThrow();
    // @ts-expect-error: no such value
    expect(() => outcome.summary({ size: 3, kind: 'a' })).toThrow();
  });
});

describe('reports', () => {
  test('tables', async () => {
    const experiment = defineExperiment({
      name: 'tables',
      grid: { 'a,b': ['x', 'say "hi"'] },
      data: [1, 2],
      run: ({ setting, item }) => {
        if (setting['a,b'] === 'x' && item === 2) throw new Error('line\nbreak');
        return item;
      },
      metrics: { value: (value) => value / 2 },
    });
    const outcome = await experiment.run();
    expect(experimentTable(outcome, 'markdown').split('\n').slice(0, 3)).toEqual([
      '| a,b      | cells | failed |                value |',
      '| -------- | ----- | ------ | -------------------: |',
      '| x        | 1     | 1      | 0.500 [0.500, 0.500] |',
    ]);
    expect(experimentTable(outcome, 'csv')).toBe(
      '"a,b",cells,failed,value,value low,value high\nx,1,1,0.5,0.5,0.5\n"say ""hi""",2,0,0.75,0.5,1\n',
    );
    expect(cellsTable(outcome)).toBe(
      '"a,b",item,seed,value,problem\nx,0,1,0.5,\n"say ""hi""",0,1,0.5,\n"say ""hi""",1,1,1,\nx,1,1,,"Error: line\nbreak"\n',
    );
  });

  test('the page holds tables and plots, escapes all texts, and loads nothing', async () => {
    const { experiment } = sample((size, id) => size === 100 && id === 'q1');
    const page = experimentPage(await experiment.run());
    expect(page).toContain('<title>sizes &lt;&amp;&gt; kinds</title>');
    // A plot a metric, with a line for each kind.
    expect(page.match(/<svg [^>]*role="img"/g)).toHaveLength(3);
    expect(page.match(/<polyline/g)).toHaveLength(6);
    expect(page).toContain('no luck with q1');
    expect(page).toContain('Against size=100, kind=fine');
    const outside = page.replaceAll('http://www.w3.org/2000/svg', '');
    expect(outside).not.toMatch(/https?:|<script|<link|src=|@import|url\(/);
  });

  test('settings without numbers are plotted by their row', async () => {
    const experiment = defineExperiment({
      name: 'kinds',
      grid: { kind: ['a', 'b'] },
      data: [1, 2, 3],
      run: ({ setting, item }) => (setting.kind === 'a' ? item : 2 * item),
      metrics: { value: (value) => value },
    });
    const page = experimentPage(await experiment.run());
    expect(page).toContain('by its row in the table');
    expect(page).toContain('kind=b');
  });
});
