import { fileLog } from '../adapters/fs/index.js';
import { type Cell, formatTable, memoryLog, runExperiment } from '../lib/evaluate/index.js';
import { InvalidArgumentError } from '../lib/index.js';
import { seededRandom } from '../lib/random.js';
import { type Arm, armsOf } from './fidelity/arms.js';
import type { ArmResult, PreparedCase } from './fidelity/lab.js';
import { numberOf } from './fidelity/number-of.js';
import type { FidelityCase } from './fidelity/prompts.js';
import { promptOptions, setUpFidelity } from './fidelity/set-up.js';
import { type BenchOptions, benchWith, emptyOutcome, type OwnValues, round } from './harness.js';
import { rank } from './tuning/choose.js';
import { candidatesOf, tunable } from './tuning/spaces.js';

const own = {
  ...promptOptions,
  data: { type: 'string', value: 'A,B', help: 'questions: see bench/fidelity/data.ts' },
  half: { type: 'string', default: 'search', help: 'search, held-out or all' },
  policies: { type: 'string', value: 'A,B', default: tunable.join(','), help: 'what is tuned' },
  trials: { type: 'string', value: 'N', default: '8', help: 'ways of setting each policy' },
  ratios: { type: 'string', value: 'R,…', default: '0.05,0.15', help: 'shares' },
  warmup: {
    type: 'string',
    default: 'neighbours-2+preceding-256',
    help: 'of all policies but context, which has its statistics from the warm-up document',
  },
} as const;

/**
 * Each policy gets the same number of trials of its settings on search halves; the best by the area under KL against
 * layer-tokens is what is to be held against the others on held-out halves, by the bench `fidelity`.
 */
export const tuning = benchWith(own, async (options, values) => {
  if (values.data === undefined) {
    throw new InvalidArgumentError('Give --data: files or folders of questions.');
  }
  const outcome = emptyOutcome(options.model ?? 'smollm2-135m-instruct');
  const arms = armsToTry(values);
  const data: Cell<ArmResult>[][] = [];
  for (const path of values.data.split(',')) {
    data.push(await resultsOn(path, arms, options, values, outcome.skipped));
  }
  const trials = rank(data);
  const rows = [...trials.values()].flatMap((list) =>
    list.map(({ policy, area }, i) => [policy, i + 1, area]),
  );
  options.log(
    formatTable({
      columns: ['setting', { name: 'rank', digits: 0 }, 'area'],
      rows,
      format: values.markdown ? 'markdown' : 'text',
    }),
  );
  const best = [...trials.values()].flatMap((list) => list[0]?.policy ?? []);
  options.log(`--policies none,${best.join(',')}`);
  for (const [kind, list] of trials) {
    const [first] = list;
    const plain = list.find(({ policy }) => policy === kind);
    if (!first || !plain) continue;
    outcome.figures[`${kind}.trials`] = list.length;
    outcome.figures[`${kind}.area`] = round(plain.area);
    outcome.figures[`${kind}.area.tuned`] = round(first.area);
  }
  return outcome;
});

function armsToTry({ policies, trials, ratios, warmup, seed }: OwnValues<typeof own>): Arm[] {
  const random = seededRandom(numberOf('seed', seed, 0));
  const count = numberOf('trials', trials, 1);
  const shares = ratios.split(',').map((ratio) => numberOf('ratios', ratio, 0));
  return policies.split(',').flatMap((policy) => {
    const own = policy === 'context' ? 'document' : warmup;
    return armsOf([own], ['none', ...candidatesOf(policy, count, random)], shares);
  });
}

async function resultsOn(
  path: string,
  wanted: readonly Arm[],
  options: BenchOptions,
  values: OwnValues<typeof own>,
  skipped: string[],
): Promise<Cell<ArmResult>[]> {
  await using setUp = await setUpFidelity(options, { ...values, data: path });
  const { engine, cases, lab, prompts, idOf, data, threads } = setUp;
  const arms = [...new Map(wanted.map((arm) => [JSON.stringify(arm), { ...arm }])).values()];
  options.log(`${data}: ${cases.length} prompts (${prompts}), ${arms.length} arms`);
  const { cells, failed } = await runExperiment<FidelityCase, PreparedCase, ArmResult>(
    {
      // The same as of the bench fidelity, whose logs go on here.
      about: {
        bench: 'fidelity',
        model: engine.model.fingerprint,
        data,
        freeTokens: 0,
        threads,
        ...(values.sections !== 'joined' && { sections: values.sections }),
      },
      cases,
      idOf,
      arms,
      prepare: (item) => lab.prepare(item),
      run: (prepared, arm, item) => lab.run(prepared, arm as unknown as Arm, item),
    },
    {
      log: values.log === undefined ? memoryLog() : fileLog(`${values.log}.${data}.jsonl`),
      onProgress: ({ done, total, leftMs }) => {
        if (done % arms.length > 0) return;
        const left = leftMs === undefined ? '' : `, ${Math.ceil(leftMs / 60_000)} min left`;
        options.log(`${done} of ${total}${left}`);
      },
    },
  );
  for (const { case: id, arm, problem } of failed) {
    skipped.push(`${data}, case ${id}, ${JSON.stringify(arm)}: ${problem}`);
  }
  return [...cells];
}
