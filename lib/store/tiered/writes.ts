import type { ChunkRecord, ChunkStore, DeleteOptions } from '../chunk-store.js';
import { attempt, type Outcome } from './attempt.js';
import type { Guard } from './guard.js';
import type { TierSettings } from './options.js';
import { RetryTimer } from './retry-timer.js';
import { newWrite, type Write } from './write.js';
import { WriteQueue } from './write-queue.js';

/** Writes of one key: one at a time. What waits is a deletion, then a put; later ones take their places. */
interface Line {
  readonly waiting: Write[];
  running?: Write | undefined;
  /** The one that runs was given up by its caller. */
  isGivenUp: boolean;
  /** The deletion that waits has failed before, and is left until it is tried again. */
  isParked: boolean;
}

const superseded: Outcome<boolean> = { ok: true, value: true };

/**
 * What is on its way to one tier. Writes of a key happen in the order in which they were asked for, each once
 * the one before is really over, so that nothing that was deleted is put by an earlier call that was slow. A
 * deletion that fails stays, and hides the record, until it succeeds.
 */
export class TierWrites {
  readonly #store: ChunkStore;
  readonly #guard: Guard;
  readonly #deadlineMs: number;
  readonly #queue: WriteQueue;
  readonly #onLost: (write: Write) => void;
  readonly #retry: RetryTimer;
  readonly #lines = new Map<string, Line>();
  readonly #untold = new Set<Promise<unknown>>();
  /** While the whole tier is being cleared. */
  #barrier: Promise<unknown> | undefined;
  /** The queue's write that runs. */
  #current: Write | undefined;
  #isClosing = false;

  constructor(settings: TierSettings, guard: Guard, onLost: (write: Write) => void) {
    this.#store = settings.store;
    this.#guard = guard;
    this.#deadlineMs = settings.writeDeadlineMs;
    this.#queue = new WriteQueue(settings.queue);
    this.#onLost = onLost;
    const { coolDownMs = 1000, maxCoolDownMs = 60_000 } = settings.circuit;
    this.#retry = new RetryTimer(coolDownMs, maxCoolDownMs, () => this.tryParked());
  }

  get backlog(): { readonly records: number; readonly bytes: number; readonly deletions: number } {
    let deletions = 0;
    for (const key of this.#lines.keys()) {
      const write = this.find(key);
      if (write && !write.record) deletions++;
    }
    const { records, bytes } = this.#queue;
    return { records, bytes, deletions };
  }

  /** What is to happen to a key last. */
  find(key: string): Write | undefined {
    const line = this.#lines.get(key);
    if (!line) return undefined;
    const { waiting, running, isGivenUp } = line;
    // A put that was given up may or may not come to pass; a deletion is believed until it has failed.
    return waiting.at(-1) ?? (isGivenUp && running?.record ? undefined : running);
  }

  /** Keys that something is to happen to. */
  keys(): IterableIterator<string> {
    return this.#lines.keys();
  }

  async put(key: string, record: ChunkRecord, signal?: AbortSignal): Promise<Outcome<boolean>> {
    return this.#submit(newWrite(key, { record, manner: 'through', signal }));
  }

  /** Resolves to whether it was taken, which may need room. */
  async putBehind(key: string, record: ChunkRecord, signal?: AbortSignal): Promise<boolean> {
    const write = newWrite(key, { record, manner: 'behind' });
    // Waiting for what is dead would hold up everyone.
    if (this.#guard.circuit.waitMs > 0) return false;
    const { outcome, over } = attempt((given) => this.#queue.room(write.bytes, given), {
      deadlineMs: this.#deadlineMs,
      signal,
    });
    let taken = false;
    try {
      taken = (await outcome).ok;
    } finally {
      // Room that came too late is given back.
      if (!taken) void over.then(({ ok }) => ok && this.#queue.release(write.bytes));
    }
    if (taken) void this.#submit(write);
    return taken;
  }

  /** Copies a record here, unless there is something better to do. */
  promote(key: string, record: ChunkRecord): void {
    const write = newWrite(key, { record, manner: 'promotion' });
    if (this.#lines.has(key) || this.#isClosing || this.#barrier) return;
    if (this.#guard.circuit.waitMs > 0 || !this.#queue.takeRoom(write.bytes)) return;
    void this.#submit(write);
  }

  async delete(key: string, options?: DeleteOptions): Promise<boolean> {
    const line = this.#lines.get(key);
    const hadPut = [line?.running, ...(line?.waiting ?? [])].some((write) => write?.record);
    const outcome = await this.#submit(
      newWrite(key, { manner: 'through', deleteOptions: options }),
    );
    return hadPut || (outcome.ok && outcome.value);
  }

  /** Clears the tier; whatever was on its way to it is not put, or deleted again. */
  async clear(): Promise<Outcome<void>> {
    const deletions: Promise<unknown>[] = [];
    for (const [key, line] of this.#lines) {
      this.#dropPuts(line);
      if (line.running?.record) deletions.push(this.delete(key));
    }
    const { outcome, over } = this.#guard.call(() => this.#store.clear(), {
      deadlineMs: this.#deadlineMs,
    });
    const barrier = over.finally(() => {
      if (this.#barrier !== barrier) return;
      this.#barrier = undefined;
      for (const [key, line] of this.#lines) this.#advance(key, line);
      this.#pump();
    });
    this.#barrier = barrier;
    const result = await outcome;
    await (result.ok ? Promise.all([barrier, ...deletions]) : Promise.all(deletions));
    return result;
  }

  /** Tries deletions again that failed. */
  tryParked(): void {
    for (const [key, line] of this.#lines) {
      if (!line.isParked) continue;
      const [deletion] = line.waiting;
      line.isParked = false;
      this.#advance(key, line);
      if (deletion) void this.#tell(deletion);
    }
  }

  /** Waits until everything was tried. */
  async idle(): Promise<void> {
    while (this.#untold.size > 0) await Promise.allSettled(this.#untold);
  }

  /** Tries what is left a last time. Resolves to how many deletions did not happen. */
  async close(): Promise<number> {
    await this.idle();
    this.#isClosing = true;
    this.#retry.stop();
    this.tryParked();
    await this.idle();
    this.#retry.stop();
    return this.backlog.deletions;
  }

  /** Resolves when it was tried; rejects with the signal's reason only. */
  #submit(write: Write): Promise<Outcome<boolean>> {
    const { key, record, manner } = write;
    let line = this.#lines.get(key);
    if (!line) {
      line = { waiting: [], isGivenUp: false, isParked: false };
      this.#lines.set(key, line);
    }
    this.#dropPuts(line);
    const deletion = line.waiting[0];
    // What failed before is tried again before anything is put after it.
    line.isParked = false;
    const asked = record ? write : (deletion ?? write);
    if (asked === write) line.waiting.push(write);
    if (manner !== 'through') this.#queue.add(write);
    this.#advance(key, line);
    this.#pump();
    return this.#tell(asked);
  }

  /** What a write's caller is told, within the deadline also where its turn does not come. */
  #tell(write: Write): Promise<Outcome<boolean>> {
    const tell = async (): Promise<Outcome<boolean>> => {
      const { key, manner, signal } = write;
      const isWaiting = this.#lines.get(key)?.waiting.includes(write);
      if (manner !== 'through' || !isWaiting) return write.done.promise;
      try {
        const waiting = attempt(() => write.turn.promise, { deadlineMs: this.#deadlineMs, signal });
        const turn = await waiting.outcome;
        if (turn.ok) return await write.done.promise;
        if (write.record) this.#dropPut(write, turn);
        return turn;
      } catch (reason) {
        this.#dropPut(write, superseded);
        throw reason;
      }
    };
    const told = tell();
    const end = (): void => void this.#untold.delete(told);
    this.#untold.add(told);
    told.then(end, end);
    return told;
  }

  /** Begins what waits first for a key, unless it has its place in the queue. */
  #advance(key: string, line: Line): void {
    if (line.running || this.#barrier) return;
    const next = line.waiting[0];
    if (!next) this.#lines.delete(key);
    else if (next.manner === 'through' && !line.isParked) void this.#run(line, next);
  }

  /** Begins the first write of the queue whose key is not busy. */
  #pump(): void {
    if (this.#current || this.#barrier) return;
    const next = this.#queue.take((write) => {
      const line = this.#lines.get(write.key);
      return line?.running === undefined && line?.waiting[0] === write;
    });
    if (!next) return;
    this.#current = next;
    void this.#run(this.#lines.get(next.key) as Line, next);
  }

  async #run(line: Line, write: Write): Promise<void> {
    line.running = write;
    line.waiting.splice(line.waiting.indexOf(write), 1);
    const { key, record, signal, deleteOptions } = write;
    const { outcome, over } = this.#guard.call<boolean>(
      (given) =>
        record
          ? this.#store.put(key, record, { signal: given })
          : this.#store.delete(key, deleteOptions),
      { deadlineMs: this.#deadlineMs, signal, always: this.#isClosing },
    );
    write.turn.resolve();
    let result: Outcome<boolean> | undefined;
    try {
      result = await outcome;
      if (!result.ok && result.reason === 'late') {
        line.isGivenUp = true;
        this.#end(write, result);
      }
    } catch (reason) {
      line.isGivenUp = true;
      write.done.reject(reason);
    }
    const final = await over;
    if (write.manner !== 'through') this.#queue.release(write.bytes);
    line.running = undefined;
    line.isGivenUp = false;
    if (!record && !final.ok) this.#park(line, write, final);
    else if (!record) this.#retry.succeeded();
    this.#advance(key, line);
    if (result) this.#end(write, result);
    this.#pump();
  }

  /** Tells how a write went; the first time counts. */
  #end(write: Write, result: Outcome<boolean>): void {
    write.done.resolve(result);
    if (this.#current !== write) return;
    this.#current = undefined;
    if (write.manner === 'behind' && !(result.ok && result.value)) this.#onLost(write);
    this.#pump();
  }

  /** Keeps a deletion that failed, for later. */
  #park(line: Line, write: Write, outcome: Outcome<boolean>): void {
    for (const put of line.waiting.filter(({ record }) => record)) this.#dropPut(put, outcome);
    // Another deletion may have come meanwhile; whoever waits for it is told of this one.
    for (const { done, turn } of line.waiting.splice(0)) {
      turn.resolve();
      done.resolve(outcome);
    }
    const again = newWrite(write.key, {
      manner: 'through',
      deleteOptions: write.deleteOptions,
    });
    line.waiting.push(again);
    line.isParked = true;
    if (!this.#isClosing) this.#retry.failed();
  }

  #dropPuts(line: Line): void {
    for (const put of line.waiting.filter(({ record }) => record)) this.#dropPut(put, superseded);
  }

  /** Takes a put out that was not begun. */
  #dropPut(write: Write, outcome: Outcome<boolean>): void {
    const waiting = this.#lines.get(write.key)?.waiting;
    const at = waiting?.indexOf(write) ?? -1;
    if (at < 0 || !write.record) return;
    waiting?.splice(at, 1);
    if (this.#queue.remove(write)) this.#queue.release(write.bytes);
    write.turn.resolve();
    write.done.resolve(outcome);
    if (write.manner === 'behind' && !outcome.ok) this.#onLost(write);
  }
}
