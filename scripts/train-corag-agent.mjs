/**
 * Trains the configuration agent of the tree search: which of some forms of its settings leaves the least regret on a
 * made-up instance, from what is known before anything is judged. Run after `npm run build`:
 *
 *     node scripts/train-corag-agent.mjs [--train N] [--held-out N] [--write]
 *
 * Prints what the best fixed form and the agent leave on instances that neither was chosen on, and with --write saves
 * the weights to lib/select/corag/agent-weights.ts. The same numbers give the same weights.
 */
import { writeFile } from 'node:fs/promises';
import { parseArgs } from 'node:util';
import { makeInstance } from '../dist/bench/selection/instances.js';
import { caseOf, rowsOf } from '../dist/bench/selection/measure.js';
import { bootstrapMean } from '../dist/lib/evaluate/index.js';
import { coragAgent, coragSelector, tokensCost } from '../dist/lib/index.js';
import { featureNames, featuresOf } from '../dist/lib/select/corag/features.js';

const { values } = parseArgs({
  options: {
    train: { type: 'string', default: '60' },
    'held-out': { type: 'string', default: '40' },
    write: { type: 'boolean', default: false },
  },
});
const evaluations = 60;
/** Far from those of the bench. */
const trainSeed = 30_000;
const heldOutSeed = 40_000;
/** Pulls slopes to 0: what a feature says must show in many instances. */
const ridge = 20;

const usual = { exploration: 0.3, branch: 4, depth: 3, interplay: 0.25 };
/** The fixed default, and what differs from it in one point. */
const arms = [
  usual,
  { ...usual, exploration: 0.1 },
  { ...usual, exploration: 1 },
  { ...usual, branch: 2 },
  { ...usual, branch: 8 },
  { ...usual, depth: 1 },
  { ...usual, interplay: 0.1 },
  { ...usual, interplay: 0.5 },
];

const start = performance.now();
const casesFrom = (seed, count) =>
  Array.from({ length: count }, (_, i) => caseOf(makeInstance(seed + i))).filter(Boolean);
const train = casesFrom(trainSeed, Number(values.train));
const heldOut = casesFrom(heldOutSeed, Number(values['held-out']));
const regretsOf = async (selector, cases) =>
  (await rowsOf(selector, cases)).map(({ regret }) => regret);
const mean = (list) => list.reduce((sum, value) => sum + value, 0) / list.length;

const table = [];
for (const arm of arms) {
  table.push(await regretsOf(coragSelector({ evaluations, ...arm }), train));
  console.error(`${JSON.stringify(arm)}: ${mean(table.at(-1)).toFixed(4)} on ${train.length}`);
}
const fixed = table.reduce((best, list, i) => (mean(list) < mean(table[best]) ? i : best), 0);

const raw = train.map(({ instance: { question, candidates, budget } }) =>
  featuresOf({ question, candidates, budget, cost: tokensCost() }),
);
const columns = featureNames.map((_, i) => raw.map((row) => row[i]));
const means = columns.map(mean);
const deviations = columns.map(
  (column, i) => Math.sqrt(mean(column.map((value) => (value - means[i]) ** 2))) || 1,
);
const rows = raw.map((row) => row.map((value, i) => (value - means[i]) / deviations[i]));
const round = (value) => Number(value.toPrecision(5));
const weights = {
  version: 1,
  features: featureNames,
  means: means.map(round),
  deviations: deviations.map(round),
  arms: arms.map((settings, i) => ({
    settings,
    weights: regression(rows, table[i]).map(round),
  })),
};

const fixedOut = await regretsOf(coragSelector({ evaluations, ...arms[fixed] }), heldOut);
const agentOut = await regretsOf(
  coragSelector({ evaluations, agent: coragAgent({ weights }) }),
  heldOut,
);
const difference = bootstrapMean(fixedOut.map((value, i) => value - agentOut[i]));
console.log(
  JSON.stringify({
    fixed: arms[fixed],
    fixedRegret: round(mean(fixedOut)),
    agentRegret: round(mean(agentOut)),
    gain: difference,
    beats: difference.low > 0,
    seconds: Math.round((performance.now() - start) / 1000),
  }),
);
if (values.write) {
  const path = new URL('../lib/select/corag/agent-weights.ts', import.meta.url);
  await writeFile(
    path,
    `/** Written by \`node scripts/train-corag-agent.mjs\`; do not edit. */
import type { CoragAgentWeights } from './learned-weights.js';

export const agentWeights: CoragAgentWeights = ${JSON.stringify(weights, null, 2)};
`,
  );
}

/** Weights of 1 and the features, by least squares with a penalty on the slopes; features have mean 0. */
function regression(rows, targets) {
  const size = rows[0].length;
  const base = mean(targets);
  const matrix = Array.from({ length: size }, (_, i) =>
    Array.from({ length: size + 1 }, (_, j) => {
      if (j === size) return rows.reduce((sum, row, n) => sum + row[i] * (targets[n] - base), 0);
      return rows.reduce((sum, row) => sum + row[i] * row[j], i === j ? ridge : 0);
    }),
  );
  // Gauss and Jordan: the penalty keeps every pivot above 0.
  for (let i = 0; i < size; i++) {
    const pivot = matrix[i][i];
    for (let j = i; j <= size; j++) matrix[i][j] /= pivot;
    for (let k = 0; k < size; k++) {
      if (k === i) continue;
      const factor = matrix[k][i];
      for (let j = i; j <= size; j++) matrix[k][j] -= factor * matrix[i][j];
    }
  }
  return [base, ...matrix.map((row) => row[size])];
}
