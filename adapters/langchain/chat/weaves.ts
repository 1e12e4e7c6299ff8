import { DisposedError } from '../../../lib/errors.js';
import type { Weave } from '../../../lib/weave.js';

interface Kept {
  readonly weave: Promise<Weave>;
  users: number;
}

export interface WeaveLease {
  readonly weave: Weave;
  release(): Promise<void>;
}

/**
 * A weave for each system message: what stands before passages is part of their KV. The ones used last are kept;
 * others are disposed once nobody uses them.
 */
export class Weaves {
  readonly #make: (system: string | undefined) => Promise<Weave>;
  readonly #most: number;
  readonly #kept = new Map<string | undefined, Kept>();
  #disposing: Promise<void> | undefined;

  constructor(make: (system: string | undefined) => Promise<Weave>, most: number) {
    this.#make = make;
    this.#most = most;
  }

  /** @throws DisposedError, or what making a weave throws. */
  async lease(system: string | undefined): Promise<WeaveLease> {
    if (this.#disposing) throw new DisposedError('chat model');
    const kept = this.#kept.get(system) ?? { weave: this.#make(system), users: 0 };
    // The last one used goes last.
    this.#kept.delete(system);
    this.#kept.set(system, kept);
    kept.users++;
    try {
      await this.#trim();
      const weave = await kept.weave;
      return {
        weave,
        release: () => {
          kept.users--;
          return this.#trim();
        },
      };
    } catch (error) {
      kept.users--;
      // The next call tries again.
      if (this.#kept.get(system) === kept) this.#kept.delete(system);
      throw error;
    }
  }

  dispose(): Promise<void> {
    this.#disposing ??= this.#disposeAll([...this.#kept.values()]);
    return this.#disposing;
  }

  async #trim(): Promise<void> {
    const idle: Kept[] = [];
    let count = this.#kept.size;
    for (const [system, kept] of this.#kept) {
      if (count <= this.#most) break;
      if (kept.users > 0) continue;
      this.#kept.delete(system);
      idle.push(kept);
      count--;
    }
    await this.#disposeAll(idle);
  }

  async #disposeAll(all: readonly Kept[]): Promise<void> {
    await Promise.all(
      all.map(async ({ weave }) => {
        // One that could not be made holds nothing.
        const made = await weave.catch(() => undefined);
        await made?.dispose();
      }),
    );
  }
}
