import { ChunkweaveError } from '../errors.js';

/** A recompute policy returned a plan that cannot be carried out. */
export class PolicyError extends ChunkweaveError {
  /** {@link RecomputePolicy.name} of the policy. */
  readonly policy: string;

  constructor(policy: string, problem: string, options?: { cause?: unknown }) {
    super('POLICY', `The recompute policy "${policy}" ${problem}`, options);
    this.policy = policy;
  }
}
