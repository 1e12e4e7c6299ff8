import type { MissReason } from '../../lib/store/store-stats.js';

/** Bytes that are not the record that was asked for. Never leaves a store: it becomes a miss. */
export class BadRecord extends Error {
  readonly reason: Extract<MissReason, 'corrupt' | 'format'>;

  constructor(problem: string, reason: 'corrupt' | 'format' = 'corrupt') {
    super(problem);
    this.reason = reason;
  }
}
