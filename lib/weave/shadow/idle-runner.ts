export interface IdleRunnerOptions<Job> {
  readonly run: (job: Job, signal: AbortSignal) => Promise<void>;
  /** Jobs that wait at most; of more, the oldest that does not run is dropped. */
  readonly most: number;
  /** Milliseconds without work after which a job begins: calls often follow each other. */
  readonly quietMs: number;
}

/**
 * Runs jobs one after another while there is no work. Work that comes aborts the job that runs; it is tried again from
 * its beginning.
 */
export class IdleRunner<Job> {
  readonly #options: IdleRunnerOptions<Job>;
  readonly #jobs: Job[] = [];
  #working = 0;
  #timer: ReturnType<typeof setTimeout> | undefined;
  #running: { readonly controller: AbortController; readonly done: Promise<void> } | undefined;
  #disposed = false;
  dropped = 0;

  constructor(options: IdleRunnerOptions<Job>) {
    this.#options = options;
  }

  /** Jobs that are not done. */
  get pending(): number {
    return this.#jobs.length;
  }

  add(job: Job): void {
    if (this.#disposed) return;
    this.#jobs.push(job);
    if (this.#jobs.length > this.#options.most) {
      // The one that runs is further than any other.
      this.#jobs.splice(this.#running ? 1 : 0, 1);
      this.dropped++;
    }
    this.#wait();
  }

  /** Work begins. Call the result when it is over. */
  enter(): () => void {
    this.#working++;
    clearTimeout(this.#timer);
    this.#running?.controller.abort(new DOMException('There is other work.', 'AbortError'));
    return () => {
      this.#working--;
      this.#wait();
    };
  }

  /** Aborts what runs and waits for it to end. */
  async dispose(): Promise<void> {
    this.#disposed = true;
    clearTimeout(this.#timer);
    this.#running?.controller.abort(new DOMException('The weave was disposed.', 'AbortError'));
    await this.#running?.done;
  }

  #wait(): void {
    clearTimeout(this.#timer);
    if (this.#disposed || this.#working > 0 || this.#running || this.#jobs.length === 0) return;
    this.#timer = setTimeout(() => {
      const controller = new AbortController();
      this.#running = { controller, done: this.#run(this.#jobs[0] as Job, controller.signal) };
    }, this.#options.quietMs);
    this.#timer.unref?.();
  }

  async #run(job: Job, signal: AbortSignal): Promise<void> {
    try {
      await this.#options.run(job, signal);
      this.#remove(job);
    } catch {
      // `run` tells of failures itself; what was aborted keeps its turn.
      if (!signal.aborted) this.#remove(job);
    }
    this.#running = undefined;
    this.#wait();
  }

  #remove(job: Job): void {
    const place = this.#jobs.indexOf(job);
    if (place >= 0) this.#jobs.splice(place, 1);
  }
}
