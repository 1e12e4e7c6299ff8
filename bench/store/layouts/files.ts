import { lstat, mkdir, open, readdir, rename, unlink, writeFile } from 'node:fs/promises';
import { join } from 'node:path';
import type { RecordFolder } from './record-folder.js';

/** One file a record, spread over 256 folders, written beside and renamed. */
export class Files implements RecordFolder {
  readonly #directory: string;
  readonly #sizes = new Map<string, number>();
  #writes = 0;

  constructor(directory: string) {
    this.#directory = directory;
  }

  get records(): number {
    return this.#sizes.size;
  }

  /** Names, and the sizes that a bound needs. */
  async open(): Promise<void> {
    await mkdir(this.#directory, { recursive: true });
    const shards = await readdir(this.#directory);
    const look = async (): Promise<void> => {
      for (let shard = shards.pop(); shard !== undefined; shard = shards.pop()) {
        const folder = join(this.#directory, shard);
        const sizes = (await readdir(folder)).map(async (name) => {
          this.#sizes.set(name, (await lstat(join(folder, name))).size);
        });
        await Promise.all(sizes);
      }
    };
    await Promise.all(Array.from({ length: 8 }, look));
  }

  async put(key: string, bytes: Uint8Array): Promise<void> {
    const path = this.#pathOf(key);
    const beside = join(path, '..', `.${this.#writes++}`);
    const write = (): Promise<void> => writeFile(beside, bytes, { flag: 'wx', mode: 0o600 });
    await write().catch(async () => {
      await mkdir(join(path, '..'), { recursive: true });
      await write();
    });
    await rename(beside, path);
    this.#sizes.set(key, bytes.byteLength);
  }

  async get(key: string): Promise<Uint8Array | undefined> {
    if (!this.#sizes.has(key)) return undefined;
    const handle = await open(this.#pathOf(key), 'r');
    try {
      const { size } = await handle.stat();
      const bytes = Buffer.allocUnsafeSlow(size);
      let done = 0;
      while (done < size) done += (await handle.read(bytes, done, size - done, done)).bytesRead;
      return bytes;
    } finally {
      await handle.close();
    }
  }

  async delete(key: string): Promise<void> {
    await unlink(this.#pathOf(key));
    this.#sizes.delete(key);
  }

  /** Every deletion has given its bytes back. */
  async compact(): Promise<number> {
    return 0;
  }

  async close(): Promise<void> {}

  #pathOf(key: string): string {
    return join(this.#directory, key.slice(0, 2), key);
  }
}
