import { benchWith, emptyOutcome, isWanted } from './harness.js';
import { musique } from './selection/musique.js';
import type { SelectionBench } from './selection/part.js';
import { regret } from './selection/regret.js';

const parts: Readonly<Record<string, SelectionBench>> = { regret, musique };

/** What selectors reach at equal evaluations, on cases whose best set is known. */
export const selection = benchWith(
  {
    data: {
      type: 'string',
      value: 'PATH',
      default: '../shared/data/musique/musique_75.json',
      help: 'questions with contexts',
    },
    tree: { type: 'string', value: 'PATH', help: 'draws the tree of one search (regret)' },
  },
  async (options, { data, tree }) => {
    const outcome = emptyOutcome('none');
    for (const [name, part] of Object.entries(parts)) {
      if (!isWanted(name, options, outcome)) continue;
      options.log(`${name} …`);
      const skip = (what: string): void => {
        options.log(`  left out: ${what}`);
        outcome.skipped.push(`${name}: ${what}`);
      };
      await part({ options, data, tree, outcome, skip });
    }
    return outcome;
  },
);
