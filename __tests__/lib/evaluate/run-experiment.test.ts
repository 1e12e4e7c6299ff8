import { expect, test } from '@jest/globals';
import * as fc from 'fast-check';
import { InvalidArgumentError } from '../../../lib/index.js';
import {
  canonical,
  type Experiment,
  type ExperimentProgress,
  type Json,
  memoryLog,
  runExperiment,
} from '../../../lib/evaluate/index.js';

interface Counts {
  prepared: string[];
  released: string[];
  run: string[];
}

function experimentOf(counts: Counts, fails: (id: string, arm: Json) => boolean = () => false) {
  const experiment: Experiment<string, string, { readonly text: string }> = {
    about: { data: 'abc', model: 'tiny' },
    cases: ['a', 'b', 'c'],
    idOf: (item) => item,
    arms: [{ ratio: 0.1 }, { ratio: 0.2 }],
    async prepare(item) {
      counts.prepared.push(item);
      return item.toUpperCase();
    },
    async run(prepared, arm, item) {
      counts.run.push(`${item} ${canonical(arm)}`);
      if (fails(item, arm)) throw new Error('no luck');
      return { text: `${prepared} ${canonical(arm)}` };
    },
    async release(prepared) {
      counts.released.push(prepared);
    },
  };
  return experiment;
}

function isUnlucky(id: string, arm: Json): boolean {
  return id === 'b' && canonical(arm).includes('0.1');
}

const noCounts = (): Counts => ({ prepared: [], released: [], run: [] });

test('every arm is run on every case, the arms of a case together', async () => {
  const counts = noCounts();
  const { cells, failed } = await runExperiment(experimentOf(counts), { log: memoryLog() });
  expect(failed).toEqual([]);
  expect(cells.map(({ case: id, result }) => [id, result.text])).toEqual([
    ['a', 'A {"ratio":0.1}'],
    ['a', 'A {"ratio":0.2}'],
    ['b', 'B {"ratio":0.1}'],
    ['b', 'B {"ratio":0.2}'],
    ['c', 'C {"ratio":0.1}'],
    ['c', 'C {"ratio":0.2}'],
  ]);
  expect(counts.prepared).toEqual(['a', 'b', 'c']);
  expect(counts.released).toEqual(['A', 'B', 'C']);
});

test('what is in the log is not run again, wherever it was ended, whatever was cut off', async () => {
  const whole: string[] = [];
  const { cells } = await runExperiment(experimentOf(noCounts()), { log: memoryLog(whole) });
  const text = whole.join('\n');
  await fc.assert(
    fc.asyncProperty(fc.integer({ min: 60, max: text.length }), async (length) => {
      const lines = text.slice(0, length).split('\n');
      const counts = noCounts();
      const told: ExperimentProgress[] = [];
      const again = await runExperiment(experimentOf(counts), {
        log: memoryLog(lines),
        onProgress: (progress) => told.push(progress),
      });
      expect(again.cells).toEqual(cells);
      const kept = lines.length - counts.run.length;
      expect(counts.run).toHaveLength(6 - told.at(-1)!.resumed);
      expect(kept).toBeGreaterThan(0);
      // A case of which all is known is not prepared.
      expect(counts.prepared.length).toBe(new Set(counts.run.map((cell) => cell[0])).size);
      // And the log is whole again.
      const third = noCounts();
      await runExperiment(experimentOf(third), { log: memoryLog(lines) });
      expect(third.run).toEqual([]);
    }),
    { numRuns: 60 },
  );
});

test('a failure is told, leaves the others alone, and is tried again', async () => {
  const lines: string[] = [];
  const first = await runExperiment(experimentOf(noCounts(), isUnlucky), { log: memoryLog(lines) });
  expect(first.cells).toHaveLength(5);
  expect(first.failed).toEqual([{ case: 'b', arm: { ratio: 0.1 }, problem: 'Error: no luck' }]);
  const counts = noCounts();
  const second = await runExperiment(experimentOf(counts), { log: memoryLog(lines) });
  expect(second.cells).toHaveLength(6);
  expect(counts.run).toEqual(['b {"ratio":0.1}']);
});

test.each([1, 2, 3, 5])(
  'so many cases at once (%d): the same results in the same order, never more at once, a whole log',
  async (concurrency) => {
    const lines: string[] = [];
    let running = 0;
    let most = 0;
    const base = experimentOf(noCounts(), isUnlucky);
    const experiment: typeof base = {
      ...base,
      async run(prepared, arm, item, signal) {
        most = Math.max(most, ++running);
        try {
          // The first case takes longest, so that later ones end before it.
          for (let turn = 0; turn < (item === 'a' ? 20 : 2); turn++) await Promise.resolve();
          return await base.run(prepared, arm, item, signal);
        } finally {
          running--;
        }
      },
    };
    const log = memoryLog(lines);
    let open = false;
    const slowLog = {
      ...log,
      async append(line: string) {
        expect(open).toBe(false);
        open = true;
        await Promise.resolve();
        open = false;
        await log.append(line);
      },
    };
    const results = await runExperiment(experiment, { log: slowLog, concurrency });
    const alone = await runExperiment(base, { log: memoryLog() });
    expect(results).toEqual(alone);
    expect(most).toBe(Math.min(3, concurrency));
    expect(lines).toHaveLength(7);
  },
);

test('an abort with several cases at once releases all of them, and waits for them', async () => {
  const controller = new AbortController();
  const counts = noCounts();
  const running = runExperiment(experimentOf(counts), {
    log: memoryLog(),
    concurrency: 2,
    signal: controller.signal,
    onProgress: ({ done }) => done === 2 && controller.abort(new Error('enough')),
  });
  await expect(running).rejects.toThrow('enough');
  expect(counts.released.toSorted()).toEqual(
    counts.prepared.map((id) => id.toUpperCase()).toSorted(),
  );
  expect(counts.prepared).not.toContain('c');
  for (const concurrency of [0, 1.5, NaN]) {
    const options = { log: memoryLog(), concurrency };
    await expect(runExperiment(experimentOf(noCounts()), options)).rejects.toThrow(/concurrency/);
  }
});

test('a case that cannot be prepared fails all its arms', async () => {
  const experiment = {
    ...experimentOf(noCounts()),
    prepare: () => Promise.reject(new Error('no data')),
  };
  const { cells, failed } = await runExperiment(experiment, { log: memoryLog() });
  expect(cells).toEqual([]);
  expect(failed).toHaveLength(6);
});

test('an abort ends it with everything so far in the log', async () => {
  const lines: string[] = [];
  const controller = new AbortController();
  const counts = noCounts();
  const running = runExperiment(experimentOf(counts), {
    log: memoryLog(lines),
    signal: controller.signal,
    onProgress: ({ done }) => done === 3 && controller.abort(new Error('enough')),
  });
  await expect(running).rejects.toThrow('enough');
  expect(lines).toHaveLength(4);
  expect(counts.released).toEqual(['A', 'B']);
});

test('progress counts up to the whole, and guesses what is left', async () => {
  const told: ExperimentProgress[] = [];
  await runExperiment(experimentOf(noCounts()), {
    log: memoryLog(),
    onProgress: (progress) => told.push(progress),
  });
  expect(told.map(({ done }) => done)).toEqual([1, 2, 3, 4, 5, 6]);
  expect(told.every(({ total, leftMs }) => total === 6 && leftMs! >= 0)).toBe(true);
  expect(told.at(-1)!.leftMs).toBe(0);
});

test('a log of another experiment is refused, and told apart', async () => {
  const lines: string[] = [];
  await runExperiment(experimentOf(noCounts()), { log: memoryLog(lines) });
  const other = { ...experimentOf(noCounts()), about: { model: 'tiny', data: 'xyz' } };
  const refused = runExperiment(other, { log: memoryLog(lines) });
  await expect(refused).rejects.toThrow(InvalidArgumentError);
  await expect(refused).rejects.toThrow(/"data":"abc".*"data":"xyz"/);
  await expect(
    runExperiment(experimentOf(noCounts()), { log: memoryLog(['{"case":"a"}']) }),
  ).rejects.toThrow(/something else/);
  // The order of names is no difference.
  const same = { ...experimentOf(noCounts()), about: { model: 'tiny', data: 'abc' } };
  await runExperiment(same, { log: memoryLog(lines) });
});

test('cases and arms must differ', async () => {
  const base = experimentOf(noCounts());
  const log = memoryLog();
  const twice = { ...base, cases: ['a', 'a'] };
  await expect(runExperiment(twice, { log })).rejects.toThrow(/case a is there twice/);
  const arms = {
    ...base,
    arms: [
      { a: 1, b: 2 },
      { b: 2, a: 1 },
    ],
  };
  await expect(runExperiment(arms, { log })).rejects.toThrow(/arm .* is there twice/);
});

test('equal data have one canonical text, other data another', () => {
  const data = fc.jsonValue() as fc.Arbitrary<Json>;
  fc.assert(
    fc.property(data, (value) => {
      const text = canonical(value);
      expect(JSON.parse(text)).toEqual(JSON.parse(JSON.stringify(value)));
      expect(canonical(JSON.parse(text) as Json)).toBe(text);
    }),
  );
  expect(canonical({ b: 1, a: undefined, c: [1, 'x', null] })).toBe('{"b":1,"c":[1,"x",null]}');
  expect(() => canonical(Number.NaN)).toThrow(InvalidArgumentError);
});
