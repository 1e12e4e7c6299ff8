import { writeFile } from 'node:fs/promises';
import { fileLog } from '../adapters/fs/index.js';
import { type Cell, mean } from '../lib/evaluate/index.js';
import { InvalidArgumentError } from '../lib/index.js';
import { assertLayout, type PassageLayout } from '../lib/prompt.js';
import { type Arm, armsOf } from './fidelity/arms.js';
import { warmupNames } from './fidelity/encode.js';
import { fidelityGoals, probeGoals } from './fidelity/goals.js';
import type { ArmResult, PreparedCase } from './fidelity/lab.js';
import { pooledCells } from './fidelity/logged-cells.js';
import { numberOf } from './fidelity/number-of.js';
import { policyNames } from './fidelity/policies.js';
import { runArms } from './fidelity/run-arms.js';
import { fidelityReport, frontPlot, printReport } from './fidelity/report.js';
import { replayTarget } from './fidelity/target-replay.js';
import { withTimesOf } from './fidelity/times.js';
import { promptOptions, setUpFidelity, tokensOf } from './fidelity/set-up.js';
import { benchWith, emptyOutcome, round } from './harness.js';

/**
 * How far answers from woven prompts are from those of a full prefill of the same prompt, and what that takes: policies
 * under warm-ups at ratios, over questions of a data set. Results are logged as they come; the same command goes on where
 * it was ended.
 */
export const fidelity = benchWith(
  {
    ...promptOptions,
    policies: {
      type: 'string',
      value: 'A,B',
      default:
        'none,random,boundary,deviation,context,question,dual-stage,shift,hybrid,adaptive,full,floor',
      help: `${policyNames.join(', ')}; with ratios of its own as A:R:R, settings as A@KEY=VALUE`,
    },
    ratios: { type: 'string', value: 'R,…', default: '0.05,0.1,0.15,0.2,0.3', help: 'shares' },
    warmup: {
      type: 'string',
      value: 'X,Y',
      default: 'prefix,document',
      help: warmupNames.join(', '),
    },
    answers: { type: 'string', value: 'N', default: '0', help: 'tokens of free-running answers' },
    sort: {
      type: 'string',
      value: 'N',
      default: '0',
      help: 'pairs of passages of each prompt whose order is asked for',
    },
    layout: {
      type: 'string',
      value: 'NAME',
      default: 'sequence',
      help: 'sequence, set (with the warm-up prefix and the policy none), twice or around',
    },
    against: {
      type: 'string',
      value: 'POLICY',
      default: 'hybrid',
      help: 'compared with the others',
    },
    target: {
      type: 'string',
      value: 'KL,…',
      help: 'where fidelity targets of so many nats come to on what none and adaptive gave',
    },
    times: {
      type: 'string',
      value: 'LOG',
      help: 'an earlier log, on a quieter machine: each arm takes its median share of time',
    },
    with: {
      type: 'string',
      value: 'LOG,…',
      help: 'logs of the same arms on other data: what is told is over all of them together',
    },
    svg: { type: 'string', value: 'FILE', help: 'where pictures go: FILE and FILE with -time' },
  },
  async (options, own) => {
    const freeTokens = numberOf('answers', own.answers, 0);
    const sortPairs = numberOf('sort', own.sort, 0);
    const arms = armsOf(
      own.warmup.split(','),
      own.policies.split(','),
      own.ratios.split(',').map((ratio) => numberOf('ratios', ratio, 0)),
    );
    const layout = layoutOf(own.layout, arms, sortPairs);
    await using setUp = await setUpFidelity(options, own, { freeTokens, sortPairs, layout });
    const { cases, lab, prompts, model, data } = setUp;
    const outcome = emptyOutcome(model);
    const cells = await runArms<PreparedCase, ArmResult>(
      setUp,
      {
        about: {
          bench: 'fidelity',
          freeTokens,
          // Logs of before it was asked go on.
          ...(sortPairs > 0 && { sortPairs }),
          ...(layout !== 'sequence' && { layout }),
          ...(own.sections !== 'joined' && { sections: own.sections }),
        },
        arms: arms.map((arm) => ({ ...arm })),
        prepare: (item) => lab.prepare(item),
        run: (prepared, arm, item) => lab.run(prepared, arm as unknown as Arm, item),
        log: own.log,
      },
      options,
      outcome,
    );
    const timed = own.times === undefined ? cells : await withTimesOf(fileLog(own.times), cells);
    const told = [...timed];
    for (const path of own.with?.split(',') ?? []) {
      told.push(...(await pooledCells(fileLog(path), arms, path)));
    }
    await tell(told, own, options.log);
    const targets: Record<string, number> = {};
    const title = `${model}, ${data}, ${cases.length} prompts ${prompts}`;
    await draw(told, own, title);
    for (const text of own.target?.split(',') ?? []) {
      const kl = numberOf('target', text, 0);
      const found = replayTarget(told, { kl, seed: numberOf('seed', own.seed, 0) });
      options.log(`target: ${JSON.stringify(found)}`);
      for (const [name, value] of Object.entries(found))
        targets[`target.${text}.${name}`] = round(value);
    }
    Object.assign(outcome, fidelityGoals(told, own.against));
    Object.assign(outcome.figures, targets);
    outcome.figures['prompts'] = new Set(told.map((cell) => cell.case)).size;
    if (told.length > 0) {
      outcome.figures['full.nll'] = round(mean(told.map(({ result }) => result.fullNll)));
    }
    const promptTokens = mean(cases.map(tokensOf));
    outcome.figures['promptTokens'] = round(promptTokens);
    Object.assign(outcome.goals, probeGoals(outcome.figures, own.against, promptTokens));
    return outcome;
  },
);

/** @throws InvalidArgumentError for what is no layout, or arms that it makes no sense of */
function layoutOf(name: string, arms: readonly Arm[], sortPairs: number): PassageLayout {
  const layout = name as PassageLayout;
  assertLayout(layout);
  const isPlain = arms.every(({ policy }) => policy !== 'floor') && sortPairs === 0;
  if (layout !== 'sequence' && !isPlain) {
    throw new InvalidArgumentError(
      `--layout ${name}: the floor and SORT are measured in the layout sequence only; leave them out.`,
    );
  }
  const isExact = arms.every(({ policy, warmup }) => policy === 'none' && warmup === 'prefix');
  if (layout === 'set' && !isExact) {
    throw new InvalidArgumentError(
      '--layout set: passages do not see each other, so only KV that saw the prefix alone is right and nothing is computed again; give --warmup prefix --policies none.',
    );
  }
  return layout;
}

async function tell(
  cells: readonly Cell<ArmResult>[],
  own: { readonly against: string; readonly markdown: boolean },
  log: (line: string) => void,
): Promise<void> {
  log(printReport(reportOf(cells, own.against), { format: own.markdown ? 'markdown' : 'text' }));
}

function reportOf(cells: readonly Cell<ArmResult>[], against: string) {
  const known = cells.some(({ arm }) => (arm as unknown as Arm).policy === against);
  return fidelityReport(cells, known ? { against } : {});
}

async function draw(
  cells: readonly Cell<ArmResult>[],
  { svg, against }: { readonly svg: string | undefined; readonly against: string },
  title: string,
): Promise<void> {
  if (svg === undefined) return;
  const report = reportOf(cells, against);
  await writeFile(svg, frontPlot(report, 'share', title));
  await writeFile(svg.replace(/(\.svg)?$/, '-time.svg'), frontPlot(report, 'time', title));
}
