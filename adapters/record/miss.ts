import type { MissReason } from '../../lib/store/store-stats.js';

/** Why there is no record. */
export interface Miss {
  readonly reason: MissReason;
  /** Why it cannot be read. */
  readonly problem: string;
}

export const absent: Miss = { reason: 'absent', problem: 'there is none' };
