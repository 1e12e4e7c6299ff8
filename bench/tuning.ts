import { type Cell, formatTable } from '../lib/evaluate/index.js';
import { InvalidArgumentError } from '../lib/index.js';
import { seededRandom } from '../lib/random.js';
import { type Arm, armsOf } from './fidelity/arms.js';
import type { ArmResult, PreparedCase } from './fidelity/lab.js';
import { numberOf } from './fidelity/number-of.js';
import { runArms } from './fidelity/run-arms.js';
import { promptOptions, setUpFidelity } from './fidelity/set-up.js';
import {
  type BenchOptions,
  type BenchOutcome,
  benchWith,
  emptyOutcome,
  type OwnValues,
  round,
} from './harness.js';
import { rank } from './tuning/rank.js';
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
    data.push(await resultsOn(path, arms, options, values, outcome));
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
  outcome: Pick<BenchOutcome, 'skipped'>,
): Promise<Cell<ArmResult>[]> {
  await using setUp = await setUpFidelity(options, { ...values, data: path });
  const { lab, data } = setUp;
  const arms = [...new Map(wanted.map((arm) => [JSON.stringify(arm), { ...arm }])).values()];
  return [
    ...(await runArms<PreparedCase, ArmResult>(
      setUp,
      {
        // The same as of the bench fidelity, whose logs go on here.
        about: {
          bench: 'fidelity',
          freeTokens: 0,
          ...(values.sections !== 'joined' && { sections: values.sections }),
        },
        arms,
        prepare: (item) => lab.prepare(item),
        run: (prepared, arm, item) => lab.run(prepared, arm as unknown as Arm, item),
        log: values.log === undefined ? undefined : `${values.log}.${data}.jsonl`,
      },
      options,
      outcome,
    )),
  ];
}
