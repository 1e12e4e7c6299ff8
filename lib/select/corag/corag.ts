import { seededRandom } from '../../random.js';
import { fill } from '../fill.js';
import { searchSelection } from '../finish.js';
import { SetJudge } from '../judge.js';
import { assertWhole } from '../numbers.js';
import { SelectionProblem } from '../problem.js';
import { checkedLimits, type SearchLimits } from '../search-options.js';
import type { Selection, SelectionRequest, Selector } from '../selector.js';
import { TreeSearch } from './search.js';
import { checkedSettings, coragDefaults, type CoragSettings } from './settings.js';

/** Chooses settings for a question and its candidates; what it leaves out stays as it was. */
export interface CoragAgent {
  readonly name: string;
  settingsFor(request: SelectionRequest): Partial<CoragSettings>;
}

export interface CoragSelectorOptions extends Partial<CoragSettings>, SearchLimits {
  /** Asked before each search; options that are given here have the last word. Default none. */
  readonly agent?: CoragAgent;
  /**
   * The order in which the tree adds chunks is the order of the prompt, so that orders are searched too, as published;
   * the request's order is not used. Every order is a prompt of its own to a cache, so default false: equal sets are one.
   */
  readonly ordered?: boolean;
  /** Whole number; default 1. */
  readonly seed?: number;
}

/**
 * Searches a tree of sets under the budget, by UCB with a charge for cost, siblings judged in one call, rewards handed
 * back up; the answer is the best set judged anywhere (CORAG, arXiv 2411.00744). Beside the published search, which
 * judges a node by its own set, there is one that completes it first with what a model of all sets judged so far
 * favours: with few evaluations the published one never gets beyond sets of two or three chunks.
 *
 * @throws InvalidArgumentError for options outside of their ranges
 */
export function coragSelector(options: CoragSelectorOptions = {}): Selector {
  const { agent, ordered = false, seed = 1 } = options;
  const { maxCandidates } = checkedLimits('coragSelector', options);
  assertWhole('coragSelector: seed', seed, 0);
  const fixed = Object.fromEntries(
    settingNames.flatMap((name) => (options[name] === undefined ? [] : [[name, options[name]]])),
  ) as Partial<CoragSettings>;
  checkedSettings({ ...coragDefaults, ...fixed });
  const name = `corag(seed ${seed}${agent ? `, ${agent.name}` : ''})`;
  return {
    name,
    async select(request: SelectionRequest): Promise<Selection> {
      const problem = new SelectionProblem(name, request, { ordered });
      const settings = checkedSettings({
        ...coragDefaults,
        ...agent?.settingsFor(request),
        ...fixed,
      });
      const judge = new SetJudge(problem, settings.evaluations);
      const searched = problem.searched(maxCandidates);
      const random = seededRandom(seed);
      const search = new TreeSearch({ problem, judge, searched, settings, random });
      await search.run();
      const fallback = fill(problem, problem.empty, searched);
      return searchSelection({ problem, judge, fallback, searched, tree: search.tree() });
    },
  };
}

const settingNames = Object.keys(coragDefaults) as (keyof CoragSettings)[];
