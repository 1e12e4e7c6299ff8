import { loadEngine } from '../adapters/ggml/index.js';
import { resolveModel } from '../adapters/models/index.js';
import { bootstrapMean, holm, mean, pairedTest } from '../lib/evaluate/index.js';
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
} as const;

/**
 * How much likelier a secret becomes that stands in the warm-up text of a passage and nowhere in the prompt. The same
 * prompt is asked twice, the warm-up telling the secret or other words in its place: the difference is what leaks.
 */
export const canary = benchWith(own, async (options, { limit, seed }) => {
  const model = options.model ?? 'smollm2-135m-instruct';
  const count = wholeNumber('limit', limit, 2);
  const first = wholeNumber('seed', seed, 0);
  const { path } = await resolveModel(model);
  const { device, threads } = options;
  const engine = await loadEngine({ model: path, device, ...(threads && { threads }) });
  try {
    const layout = await createPromptLayout(engine);
    const arena = await engine.createArena({ cells: Math.min(2048, engine.model.contextLength) });
    const prefix = arena.createSequence();
    await prefix.append(layout.prefix, { logits: 'none' });
    const results: CanaryResult[] = [];
    for (let i = 0; i < count; i++) {
      results.push(await measure({ engine, layout, prefix }, canaryOf(first + i)));
      options.log(`${i + 1} of ${count} secrets`);
    }
    await arena.dispose();
    return outcomeOf(model, results);
  } finally {
    await engine.dispose();
  }
});

/** Of one secret, by the name of the arm. */
type CanaryResult = ReadonlyMap<string, Told>;

async function measure(lab: CanaryLab, secret: Canary): Promise<CanaryResult> {
  const told = new Map<string, Told>();
  const { others, passage, telling } = secret;
  const prompt = [others[0], passage, others[1]];
  told.set('full', await askPlain(lab, secret, prompt));
  const open = [others[0], telling(secret.secret), passage, others[1]];
  told.set('in-prompt', await askPlain(lab, secret, open));
  for (const warmup of warmups) {
    for (const [kind, words] of kindsOf(warmup, secret)) {
      const pieces = await encodeCanary(lab, secret, warmup, words);
      for (const [name, policy] of Object.entries(policies)) {
        told.set(`${warmup}.${name}.${kind}`, await askWoven(lab, secret, pieces, policy));
      }
    }
  }
  return told;
}

/** Where the prefix is all that is seen, nothing is told. */
function kindsOf(warmup: CanaryWarmup, { secret, decoy }: Canary): [string, string][] {
  const kinds: [string, string][] = [['secret', secret]];
  if (warmup !== 'prefix') kinds.push(['decoy', decoy]);
  return kinds;
}

function outcomeOf(model: string, results: readonly CanaryResult[]): BenchOutcome {
  const outcome = emptyOutcome(model);
  const { figures, goals } = outcome;
  const of = (arm: string, what: keyof Told = 'logProbability'): number[] =>
    results.map((told) => told.get(arm)?.[what] ?? NaN);
  figures['secrets'] = results.length;
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
    const whole = mean(of('in-prompt')) - mean(nothing);
    figures[`${arm}.leak`] = round(difference);
    figures[`${arm}.leak.low`] = round(low);
    figures[`${arm}.leak.high`] = round(high);
    figures[`${arm}.leak.p`] = round(adjusted[i] as number);
    figures[`${arm}.leak.resolved`] = round(resolved);
    figures[`${arm}.leak.share`] = round(difference / whole);
    figures[`${arm}.overPrefix`] = round(mean(secret) - mean(nothing));
    figures[`${arm}.said`] = round(mean(of(`${arm}.secret`, 'said')));
    goals[`${arm}.leak`] = atMost(difference, round(resolved));
  }
  return outcome;
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
