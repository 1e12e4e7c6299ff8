import type { QueueOptions } from './options.js';
import type { Write } from './write.js';

interface Waiter {
  readonly bytes: number;
  readonly grant: () => void;
}

/** Writes that wait, within bounds of bytes and records. Room is taken first and given back when a write is over. */
export class WriteQueue {
  readonly #maxBytes: number;
  readonly #maxRecords: number;
  readonly #writes: Write[] = [];
  #waiting: Waiter[] = [];
  #records = 0;
  #bytes = 0;

  constructor({ maxBytes, maxRecords }: Required<QueueOptions>) {
    this.#maxBytes = maxBytes;
    this.#maxRecords = maxRecords;
  }

  get records(): number {
    return this.#records;
  }

  get bytes(): number {
    return this.#bytes;
  }

  /** Takes room, waiting for it in turn. */
  room(bytes: number, signal: AbortSignal): Promise<void> {
    if (this.#waiting.length === 0 && this.takeRoom(bytes)) return Promise.resolve();
    return new Promise((resolve, reject) => {
      const onAbort = (): void => {
        this.#waiting = this.#waiting.filter((other) => other !== waiter);
        reject(signal.reason as Error);
        this.#serve();
      };
      const grant = (): void => {
        signal.removeEventListener('abort', onAbort);
        resolve();
      };
      const waiter: Waiter = { bytes, grant };
      signal.addEventListener('abort', onAbort, { once: true });
      this.#waiting.push(waiter);
    });
  }

  /** Takes room where there is some at once. */
  takeRoom(bytes: number): boolean {
    const fits = this.#bytes + bytes <= this.#maxBytes && this.#records < this.#maxRecords;
    if (!fits && this.#records > 0) return false;
    this.#bytes += bytes;
    this.#records++;
    return true;
  }

  release(bytes: number): void {
    this.#bytes -= bytes;
    this.#records--;
    this.#serve();
  }

  add(write: Write): void {
    this.#writes.push(write);
  }

  remove(write: Write): boolean {
    const at = this.#writes.indexOf(write);
    if (at >= 0) this.#writes.splice(at, 1);
    return at >= 0;
  }

  /** Takes the first write out that is ready. */
  take(isReady: (write: Write) => boolean): Write | undefined {
    const at = this.#writes.findIndex((write) => isReady(write));
    return at < 0 ? undefined : this.#writes.splice(at, 1)[0];
  }

  #serve(): void {
    for (;;) {
      const next = this.#waiting[0];
      if (!next || !this.takeRoom(next.bytes)) return;
      this.#waiting.shift();
      next.grant();
    }
  }
}
