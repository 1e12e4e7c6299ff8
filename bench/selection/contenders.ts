import {
  beamSelector,
  coragAgent,
  coragPublished,
  coragSelector,
  greedySelector,
  randomSelector,
  type Selector,
} from '../../lib/index.js';

/** Of each kind the forms among which one is chosen on the tuning half, all under the same number of evaluations. */
export function contenders(
  evaluations: number,
): Readonly<Record<string, Readonly<Record<string, Selector>>>> {
  return {
    greedy: {
      value: greedySelector({ by: 'value', evaluations }),
      'value-per-cost': greedySelector({ by: 'value-per-cost', evaluations }),
    },
    beam: Object.fromEntries(
      beams.map(([width, branch, maxCandidates]) => [
        `width ${width}, branch ${branch}, first ${maxCandidates}`,
        beamSelector({ width, branch, maxCandidates, evaluations }),
      ]),
    ),
    random: { random: randomSelector({ evaluations }) },
    'corag-published': { published: coragSelector({ ...coragPublished, evaluations }) },
    corag: { default: coragSelector({ evaluations }) },
    'corag-agent': { agent: coragSelector({ evaluations, agent: coragAgent() }) },
  };
}

/** Narrow enough to get to the end of the budget with 60 evaluations, or nearly. */
const beams = [
  [1, 4, 30],
  [2, 2, 30],
  [3, 2, 30],
  [2, 4, 15],
  [3, 3, 20],
] as const;
