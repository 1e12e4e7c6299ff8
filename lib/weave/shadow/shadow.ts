import { seededRandom } from '../../random.js';
import type { RecomputePolicy } from '../../reuse/policy.js';
import type { WeaveKit } from '../kit.js';
import { checkAnswer } from './check.js';
import { IdleRunner } from './idle-runner.js';
import type { ShadowOptions, ShadowStats } from './options.js';
import { Recent } from './recent.js';
import { type ShadowJob, ShadowSample } from './sample.js';

/** Answers that wait to be checked: each holds its prompt and less than half a megabyte. */
const mostPending = 8;

const quietMs = 100;

/** Checks samples of woven answers, and knows when weaving is not to be trusted. */
export class Shadow {
  readonly #kit: WeaveKit;
  /** Share of woven answers that are checked. */
  readonly rate: number;
  readonly #maxKl: number;
  readonly #random: () => number;
  readonly #recent: Recent;
  readonly #runner: IdleRunner<ShadowJob>;
  #onResult: ShadowOptions['onResult'];
  #sampled = 0;
  #checked = 0;
  #failed = 0;
  #problem: string | undefined;
  #tripped = false;

  constructor(
    kit: WeaveKit,
    {
      rate,
      maxKl = Infinity,
      window = 20,
      onResult,
      seed = Math.random() * 2 ** 32,
    }: ShadowOptions,
  ) {
    this.#kit = kit;
    this.rate = rate;
    this.#maxKl = maxKl;
    this.#random = seededRandom(seed);
    this.#recent = new Recent(window);
    this.#onResult = onResult;
    const run = (job: ShadowJob, signal: AbortSignal) => this.#check(job, signal);
    this.#runner = new IdleRunner({ run, most: mostPending, quietMs });
  }

  /** Why questions are answered by a full prefill; absent while weaving is trusted. */
  get note(): string | undefined {
    if (!this.#tripped) return undefined;
    return `Woven answers were too far from those of a full prefill (mean KL over ${this.#maxKl}), so this one was computed in full; resetShadow() weaves again.`;
  }

  get stats(): ShadowStats {
    const recent = this.#recent.means;
    return {
      sampled: this.#sampled,
      checked: this.#checked,
      pending: this.#runner.pending,
      dropped: this.#runner.dropped,
      failed: this.#failed,
      ...(this.#problem !== undefined && { problem: this.#problem }),
      ...(recent && { recent }),
      tripped: this.#tripped,
    };
  }

  /**
   * To be asked once for each woven answer; most are not picked.
   * @param policy that planned it, if one did, and hears of the result
   */
  sample(policy: RecomputePolicy | undefined): ShadowSample | undefined {
    if (!(this.#random() < this.rate)) return undefined;
    return new ShadowSample(policy, (job) => {
      this.#sampled++;
      this.#runner.add(job);
    });
  }

  /** Other work begins, which no check may delay. Call the result when it is over. */
  enter(): () => void {
    return this.#runner.enter();
  }

  /** Trusts weaving again, and forgets the results that spoke against it. */
  reset(): void {
    this.#tripped = false;
    this.#recent.clear();
  }

  dispose(): Promise<void> {
    return this.#runner.dispose();
  }

  async #check(job: ShadowJob, signal: AbortSignal): Promise<void> {
    const start = performance.now();
    try {
      const distances = await checkAnswer(this.#kit, job, signal);
      const tokens = distances.length;
      const kl = distances.reduce((sum, distance) => sum + distance.kl, 0) / tokens;
      const agreement = distances.filter(({ agrees }) => agrees).length / tokens;
      const milliseconds = performance.now() - start;
      this.#count(job.question, { tokens, kl, agreement, milliseconds });
      this.#tell(job.policy, kl);
    } catch (error) {
      signal.throwIfAborted();
      this.#failed++;
      this.#problem = String(error);
    }
  }

  #tell(policy: RecomputePolicy | undefined, kl: number): void {
    try {
      policy?.observe?.({ kl });
    } catch (error) {
      this.#problem = `${policy?.name}: ${String(error)}`;
    }
  }

  #count(
    question: string,
    measured: { tokens: number; kl: number; agreement: number; milliseconds: number },
  ): void {
    this.#checked++;
    const recent = this.#recent.add(measured.kl, measured.agreement);
    const tripped = !this.#tripped && this.#recent.isFull && recent.kl > this.#maxKl;
    if (tripped) this.#tripped = true;
    try {
      this.#onResult?.({ question, ...measured, recent, tripped });
    } catch {
      this.#onResult = undefined;
    }
  }
}
