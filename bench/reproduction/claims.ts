import { cacheblend } from './cacheblend.js';
import { cachecraft } from './cachecraft.js';
import type { Claim } from './claim.js';
import { epic } from './epic.js';
import { fusionrag } from './fusionrag.js';
import { prophetkv } from './prophetkv.js';

export const claims: readonly Claim[] = [cacheblend, cachecraft, epic, prophetkv, fusionrag];
