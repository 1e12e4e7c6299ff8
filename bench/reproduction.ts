import { canonical } from '../lib/evaluate/index.js';
import { InvalidArgumentError } from '../lib/index.js';
import { runArms } from './fidelity/run-arms.js';
import { promptOptions, setUpFidelity } from './fidelity/set-up.js';
import { benchWith, emptyOutcome, isWanted } from './harness.js';
import type { ClaimArm, ClaimResult } from './reproduction/claim.js';
import { claims } from './reproduction/claims.js';
import { type PreparedClaims, ReproductionLab } from './reproduction/lab.js';
import { addFindings, findingsOf, printFindings } from './reproduction/report.js';

/**
 * What papers say of how their ways of repairing KV compare, put to the test on this engine; parts are claims. A goal
 * that is missed is a claim that does not hold here, or too few prompts to tell.
 */
export const reproduction = benchWith(promptOptions, async (options, own) => {
  const outcome = emptyOutcome(options.model ?? 'smollm2-135m-instruct');
  const chosen = claims.filter(({ name }) => isWanted(name, options, outcome));
  if (chosen.length === 0) {
    const names = claims.map(({ name }) => name).join(', ');
    throw new InvalidArgumentError(`--only names no claim; choose from ${names}.`);
  }
  const arms = new Map(
    chosen.flatMap((claim) => claim.arms.map((arm) => [canonical({ ...arm }), { ...arm }])),
  );
  await using setUp = await setUpFidelity(options, own);
  const lab = new ReproductionLab(setUp.lab, setUp.arena);
  const cells = await runArms<PreparedClaims, ClaimResult>(
    setUp,
    {
      about: { bench: 'reproduction' },
      arms: [...arms.values()],
      prepare: (item) => lab.prepare(item),
      run: (prepared, arm, item) => lab.run(prepared, arm as unknown as ClaimArm, item),
      release: (prepared) => lab.release(prepared),
      log: own.log,
    },
    options,
    outcome,
  );
  const findings = findingsOf(chosen, cells);
  for (const { name, tests } of chosen) {
    for (const test of tests) {
      if (findings.some((finding) => finding.name === `${name}.${test.name}`)) continue;
      outcome.skipped.push(`${name}.${test.name}: no prompt gave what it needs`);
    }
  }
  options.log(printFindings(findings, own.markdown ? 'markdown' : 'text'));
  addFindings(findings, outcome);
  outcome.figures['prompts'] = setUp.cases.length;
  return outcome;
});
