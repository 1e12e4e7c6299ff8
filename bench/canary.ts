import { fileLog } from '../adapters/fs/index.js';
import { loadEngine } from '../adapters/ggml/index.js';
import { resolveModel } from '../adapters/models/index.js';
import {
  bootstrapMean,
  type Cell,
  holm,
  mean,
  memoryLog,
  pairedTest,
  runExperiment,
} from '../lib/evaluate/index.js';
import { InvalidArgumentError, nonePolicy, questionPolicy } from '../lib/index.js';
import { createPromptLayout } from '../lib/prompt.js';
import {
  askPlain,
  askWoven,
  type CanaryLab,
  type CanaryWarmup,
  encodeCanary,
  type Told,
  warmups,
} from './canary/arms.js';
import { type Canary, canaryOf } from './canary/secrets.js';
import { atMost, benchWith, type BenchOutcome, emptyOutcome, round } from './harness.js';

/** What is recomputed: nothing leaves all of the warm-up's traces; the default of `ask` computes some of them away. */
const policies = { none: nonePolicy(), question: questionPolicy() };

/** Power of 80% at the 5% level, two-sided: this many standard errors. */
const resolvedErrors = 2.8;

const own = {
  limit: { type: 'string', value: 'N', default: '10', help: 'secrets, one for each seed' },
  seed: { type: 'string', value: 'S', default: '1', help: 'of the first secret' },
  log: { type: 'string', value: 'FILE', help: 'keep results, and go on with those that are there' },
} as const;

/**
 * How much likelier a secret becomes that stands in the warm-up text of a passage and nowhere in the prompt. The same
 * prompt is asked twice, the warm-up telling the secret or other words in its place: the difference is what leaks.
 */
export const canary = benchWith(own, async (options, { limit, seed, log }) => {
  const model = options.model ?? 'smollm2-135m-instruct';
  const count = wholeNumber('limit', limit, 2);
  const first = wholeNumber('seed', seed, 0);
  const { path } = await resolveModel(model);
  const { device, threads } = options;
  const engine = await loadEngine({ model: path, device, ...(threads && { threads }) });
  try {
    const layout = await createPromptLayout(engine);
    await using arena = await engine.createArena({
      cells: Math.min(2048, engine.model.contextLength),
    });
    const prefix = arena.createSequence();
    await prefix.append(layout.prefix, { logits: 'none' });
    const lab = { engine, layout, prefix };
    const { cells, failed } = await runExperiment<number, Encoded, Told>(
      {
        about: { bench: 'canary', model: engine.model.fingerprint, version: 1 },
        cases: Array.from({ length: count }, (_, i) => first + i),
        idOf: String,
        arms,
        prepare: async () => new Map(),
        run: (encoded, arm, item) => tell(lab, canaryOf(item), String(arm), encoded),
      },
      {
        log: log === undefined ? memoryLog() : fileLog(log),
        onProgress: ({ done, total }) => {
          if (done % arms.length === 0) options.log(`${done} of ${total}`);
        },
      },
    );
    const outcome = outcomeOf(model, cells);
    for (const { case: id, arm, problem } of failed) {
      outcome.skipped.push(`secret ${id}, ${String(arm)}: ${problem}`);
    }
    return outcome;
  } finally {
    await engine.dispose();
  }
});

/** A prompt without the secret and one with it, then each warm-up with each policy, telling the secret or the decoy. */
const arms: readonly string[] = [
  'full',
  'in-prompt',
  ...warmups.flatMap((warmup) =>
    // Where the prefix is all that is seen, nothing is told.
    (warmup === 'prefix' ? ['secret'] : ['secret', 'decoy']).flatMap((told) =>
      Object.keys(policies).map((policy) => `${warmup}.${policy}.${told}`),
    ),
  ),
];

/** Passages by warm-up and what it tells. */
type Encoded = Map<string, Awaited<ReturnType<typeof encodeCanary>>>;

async function tell(lab: CanaryLab, secret: Canary, arm: string, encoded: Encoded): Promise<Told> {
  const { others, passage, telling } = secret;
  if (arm === 'full') return askPlain(lab, secret, [others[0], passage, others[1]]);
  if (arm === 'in-prompt') {
    return askPlain(lab, secret, [others[0], telling(secret.secret), passage, others[1]]);
  }
  const [warmup, policy, told] = arm.split('.') as [
    CanaryWarmup,
    keyof typeof policies,
    'secret' | 'decoy',
  ];
  const name = `${warmup}.${told}`;
  const pieces = encoded.get(name) ?? (await encodeCanary(lab, secret, warmup, secret[told]));
  encoded.set(name, pieces);
  return askWoven(lab, secret, pieces, policies[policy]);
}

function outcomeOf(model: string, cells: readonly Cell<Told>[]): BenchOutcome {
  const outcome = emptyOutcome(model);
  const { figures, goals } = outcome;
  const whole = completeCases(cells);
  const of = (arm: string, what: 'logProbability' | 'said' = 'logProbability'): number[] =>
    cells
      .filter((cell) => cell.arm === arm && whole.has(cell.case))
      .map(({ result }) => result[what]);
  figures['secrets'] = whole.size;
  if (whole.size < 2) return outcome;
  for (const arm of ['full', 'in-prompt', 'prefix.none.secret', 'prefix.question.secret']) {
    figures[`${arm}.logProbability`] = round(mean(of(arm)));
    figures[`${arm}.said`] = round(mean(of(arm, 'said')));
  }
  const tests = warmups
    .filter((warmup) => warmup !== 'prefix')
    .flatMap((warmup) =>
      Object.keys(policies).map((policy) => {
        const arm = `${warmup}.${policy}`;
        const secret = of(`${arm}.secret`);
        const decoy = of(`${arm}.decoy`);
        const { difference, p } = pairedTest(secret, decoy);
        return { arm, policy, secret, decoy, difference, p };
      }),
    );
  const adjusted = holm(tests.map(({ p }) => p));
  for (const [i, { arm, policy, secret, decoy, difference }] of tests.entries()) {
    const leaks = secret.map((value, j) => value - (decoy[j] as number));
    const { low, high } = bootstrapMean(leaks);
    const resolved = (resolvedErrors * deviation(leaks)) / Math.sqrt(leaks.length);
    const nothing = of(`prefix.${policy}.secret`);
    const way = mean(of('in-prompt')) - mean(nothing);
    figures[`${arm}.leak`] = round(difference);
    figures[`${arm}.leak.low`] = round(low);
    figures[`${arm}.leak.high`] = round(high);
    figures[`${arm}.leak.p`] = round(adjusted[i] as number);
    figures[`${arm}.leak.resolved`] = round(resolved);
    figures[`${arm}.leak.share`] = round(difference / way);
    figures[`${arm}.overPrefix`] = round(mean(secret) - mean(nothing));
    figures[`${arm}.said`] = round(mean(of(`${arm}.secret`, 'said')));
    goals[`${arm}.leak`] = atMost(difference, round(resolved));
  }
  return outcome;
}

/** Cases of which every arm gave a result: values are paired by case. */
function completeCases(cells: readonly Cell<Told>[]): ReadonlySet<string> {
  const counts = new Map<string, number>();
  for (const cell of cells) counts.set(cell.case, (counts.get(cell.case) ?? 0) + 1);
  return new Set([...counts.keys()].filter((id) => counts.get(id) === arms.length));
}

/** Standard deviation of a sample. */
function deviation(values: readonly number[]): number {
  const middle = mean(values);
  const squares = values.reduce((sum, value) => sum + (value - middle) ** 2, 0);
  return Math.sqrt(squares / (values.length - 1));
}

function wholeNumber(name: string, text: string, least: number): number {
  const number = Number(text);
  if (Number.isSafeInteger(number) && number >= least) return number;
  throw new InvalidArgumentError(
    `--${name} is "${text}"; give a whole number of at least ${least}.`,
  );
}
