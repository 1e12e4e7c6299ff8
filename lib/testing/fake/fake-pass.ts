import type {
  ForwardOutputs,
  ForwardResult,
  LayerOutputs,
  LayerResult,
} from '../../engine/forward.js';
import type { LayerPass } from '../../engine/pass.js';
import { DisposedError, InvalidArgumentError } from '../../errors.js';
import type { FakeRun } from './fake-run.js';

/** What a pass needs of the arena. */
export interface PassHost {
  readonly layers: number;
  /** Runs a task when its turn has come; rejects when the arena is gone. */
  readonly run: <T>(signal: AbortSignal | undefined, task: () => Promise<T>) => Promise<T>;
  /** Called once, when the pass ended. */
  readonly onEnd: () => void;
}

/** A {@link FakeRun} that the caller steps. */
export class FakePass implements LayerPass {
  readonly #run: FakeRun;
  readonly #host: PassHost;
  #over = false;
  #closing = false;

  constructor(run: FakeRun, host: PassHost) {
    this.#run = run;
    this.#host = host;
  }

  get nextLayer(): number {
    return this.#run.layer;
  }

  get rows(): Int32Array {
    return Int32Array.from(this.#run.live);
  }

  async advance(
    to: number,
    options: LayerOutputs & { readonly signal?: AbortSignal } = {},
  ): Promise<LayerResult> {
    this.#assertOpen();
    return this.#host.run(options.signal, async () => {
      this.#assertOpen();
      const { layer } = this.#run;
      if (!Number.isInteger(to) || to <= layer || to > this.#host.layers) {
        throw new InvalidArgumentError(
          `The pass is at layer ${layer} of ${this.#host.layers}; it cannot advance to ${to}.`,
        );
      }
      const collector = this.#run.collector(options, to);
      this.#run.assertReady(to);
      return this.#endOnFailure(() => this.#run.advance(to, collector, options));
    });
  }

  keep(rows: Int32Array): void {
    this.#assertOpen();
    this.#run.keep(rows);
  }

  async finish(
    options: ForwardOutputs & { readonly signal?: AbortSignal } = {},
  ): Promise<ForwardResult> {
    this.#assertOpen();
    return this.#host.run(options.signal, async () => {
      this.#assertOpen();
      const rows = this.#run.logitRows(options.logits);
      const collector = this.#run.collector(options, this.#host.layers);
      this.#run.assertReady(this.#host.layers);
      const result = await this.#endOnFailure(() =>
        this.#run.advance(this.#host.layers, collector, options),
      );
      const head = this.#run.head(rows, options.losses ?? false);
      this.#end(() => this.#run.join());
      return { ...result, ...head };
    });
  }

  async dispose(): Promise<void> {
    if (this.#over || this.#closing) return;
    this.#closing = true;
    await this.#host
      .run(undefined, async () => this.#abandon())
      // The arena is gone, and with it all that could be taken back.
      .catch(() => {});
  }

  async [Symbol.asyncDispose](): Promise<void> {
    await this.dispose();
  }

  /** Checks come first, so what fails here is an interrupted compute: the pass cannot go on. */
  async #endOnFailure<T>(task: () => Promise<T>): Promise<T> {
    try {
      return await task();
    } catch (error) {
      this.#abandon();
      throw error;
    }
  }

  #abandon(): void {
    this.#end(() => this.#run.undo());
  }

  #end(release: () => void): void {
    if (this.#over) return;
    this.#over = true;
    release();
    this.#host.onEnd();
  }

  #assertOpen(): void {
    if (this.#over || this.#closing) throw new DisposedError('pass');
  }
}
