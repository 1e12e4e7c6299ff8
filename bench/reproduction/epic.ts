import type { Arm } from '../fidelity/arms.js';
import type { Claim } from './claim.js';
import { lessKl } from './less-kl.js';

const heads: Arm = { warmup: 'prefix', policy: 'boundary', ratio: 0.15 };

export const epic: Claim = {
  name: 'epic',
  paper: 'EPIC, arXiv 2410.15332',
  says: 'Recomputing the first tokens of every chunk is enough: they have become attention sinks that others look at in vain.',
  arms: [
    heads,
    { warmup: 'prefix', policy: 'none', ratio: 0 },
    { warmup: 'prefix', policy: 'random', ratio: 0.15 },
  ],
  tests: [
    lessKl('heads', heads, { warmup: 'prefix', policy: 'none', ratio: 0 }),
    lessKl('selection', heads, { warmup: 'prefix', policy: 'random', ratio: 0.15 }),
  ],
};
