import { fileLog } from '../adapters/fs/index.js';
import { canonical, memoryLog, runExperiment } from '../lib/evaluate/index.js';
import { InvalidArgumentError } from '../lib/index.js';
import type { FidelityCase } from './fidelity/prompts.js';
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
  const { engine, arena, cases, prompts, idOf, data, threads } = setUp;
  const lab = new ReproductionLab(setUp.lab, arena);
  options.log(`${cases.length} prompts (${prompts}), ${arms.size} arms`);
  const { cells, failed } = await runExperiment<FidelityCase, PreparedClaims, ClaimResult>(
    {
      about: { bench: 'reproduction', model: engine.model.fingerprint, data, threads },
      cases,
      idOf,
      arms: [...arms.values()],
      prepare: (item) => lab.prepare(item),
      run: (prepared, arm, item) => lab.run(prepared, arm as unknown as ClaimArm, item),
      release: (prepared) => lab.release(prepared),
    },
    {
      log: own.log === undefined ? memoryLog() : fileLog(own.log),
      onProgress: ({ done, total, leftMs }) => {
        if (done % arms.size > 0) return;
        const left = leftMs === undefined ? '' : `, ${Math.ceil(leftMs / 60_000)} min left`;
        options.log(`${done} of ${total}${left}`);
      },
    },
  );
  for (const { case: id, arm, problem } of failed) {
    outcome.skipped.push(`case ${id}, ${JSON.stringify(arm)}: ${problem}`);
  }
  const findings = findingsOf(chosen, cells);
  for (const { name, tests } of chosen) {
    for (const test of tests) {
      if (findings.some((finding) => finding.name === `${name}.${test.name}`)) continue;
      outcome.skipped.push(`${name}.${test.name}: no prompt gave what it needs`);
    }
  }
  options.log(printFindings(findings, own.markdown ? 'markdown' : 'text'));
  addFindings(findings, outcome);
  outcome.figures['prompts'] = cases.length;
  return outcome;
});
