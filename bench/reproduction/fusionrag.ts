import type { Arm } from '../fidelity/arms.js';
import type { Claim } from './claim.js';
import { lessKl } from './less-kl.js';

const none = (warmup: string): Arm => ({ warmup, policy: 'none', ratio: 0 });
const question = (warmup: string): Arm => ({ warmup, policy: 'question', ratio: 0.15 });

export const fusionrag: Claim = {
  name: 'fusionrag',
  paper: 'FusionRAG, arXiv 2601.12904',
  says: 'Chunks that were encoded after their nearest neighbours answer better than those encoded alone, with nothing recomputed and at 15%.',
  arms: ['prefix', 'neighbours-2'].flatMap((warmup) => [none(warmup), question(warmup)]),
  tests: [
    lessKl('none', none('neighbours-2'), none('prefix')),
    lessKl('refreshed', question('neighbours-2'), question('prefix')),
  ],
};
