import {
  type ChunkKv,
  type ChunkRecord,
  type ChunkStore,
  type DeleteOptions,
  type GetLayersOptions,
  type GetOptions,
  type ListOptions,
  memoryStore,
  type MemoryStoreOptions,
  type StoreCallOptions,
} from '../../../../lib/index.js';

export type Method =
  | 'get'
  | 'getLayers'
  | 'info'
  | 'has'
  | 'put'
  | 'delete'
  | 'list'
  | 'stats'
  | 'clear'
  | 'close';

/** What happens before a call reaches the store: it may wait, or throw. */
export type Before = (method: Method, key: string, signal?: AbortSignal) => Promise<void> | void;

/** A store in memory that is as slow, stuck or broken as a test wants it. */
export class StandIn implements ChunkStore {
  readonly inner: ChunkStore;
  before: Before = () => {};
  /** Calls in order, as `method:key` with the number that the key was made from. */
  readonly calls: string[] = [];

  constructor(options: MemoryStoreOptions = {}) {
    this.inner = memoryStore(options);
  }

  count(method: Method): number {
    return this.calls.filter((call) => call.startsWith(`${method}:`)).length;
  }

  async get(key: string, options: GetOptions = {}) {
    await this.#begin('get', key, options.signal);
    return this.inner.get(key);
  }

  async *getLayers(key: string, options: GetLayersOptions = {}): AsyncGenerator<ChunkKv> {
    await this.#begin('getLayers', key, options.signal);
    for await (const layer of this.inner.getLayers(key, options)) {
      await this.before('getLayers', `${key}/${layer.layers.from}`, options.signal);
      yield layer;
    }
  }

  async info(key: string) {
    await this.#begin('info', key);
    return this.inner.info(key);
  }

  async has(key: string) {
    await this.#begin('has', key);
    return this.inner.has(key);
  }

  async put(key: string, record: ChunkRecord, options: StoreCallOptions = {}) {
    await this.#begin('put', key, options.signal);
    return this.inner.put(key, record);
  }

  async delete(key: string, options?: DeleteOptions) {
    await this.#begin('delete', key);
    return this.inner.delete(key, options);
  }

  async *list(options: ListOptions = {}): AsyncGenerator<string> {
    await this.#begin('list', '', options.signal);
    yield* this.inner.list(options);
  }

  async stats() {
    await this.#begin('stats', '');
    return this.inner.stats();
  }

  async clear() {
    await this.#begin('clear', '');
    return this.inner.clear();
  }

  async close() {
    await this.#begin('close', '');
    return this.inner.close();
  }

  [Symbol.asyncDispose](): Promise<void> {
    return this.close();
  }

  async #begin(method: Method, key: string, signal?: AbortSignal): Promise<void> {
    this.calls.push(`${method}:${key === '' ? '' : Number.parseInt(key, 16)}`);
    await this.before(method, key, signal);
  }
}

export function sleep(ms: number): Promise<void> {
  return new Promise((resolve) => setTimeout(resolve, ms));
}

/** Waits until something is so, for at most five seconds. */
export async function until(isSo: () => boolean | Promise<boolean>): Promise<void> {
  const start = performance.now();
  while (!(await isSo())) {
    if (performance.now() - start > 5000) throw new Error(`It never was so: ${String(isSo)}`);
    await sleep(2);
  }
}

/** A door that calls wait at until it is opened. */
export function door(): { readonly open: () => void; readonly opened: Promise<void> } {
  let open: (() => void) | undefined;
  const opened = new Promise<void>((resolve) => {
    open = resolve;
  });
  return { open: () => open?.(), opened };
}

/** Never ends, not even when it is told to. */
export function forever(): Promise<never> {
  return new Promise(() => {});
}

/** Ends when it is told to, with the reason. */
export function untilAborted(signal?: AbortSignal): Promise<never> {
  return new Promise((_, reject) => {
    signal?.addEventListener('abort', () => reject(signal.reason as Error));
  });
}
