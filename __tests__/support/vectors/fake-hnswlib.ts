import { readFileSync } from 'node:fs';
import { writeFile } from 'node:fs/promises';
import type { HnswlibModule, NativeGraph } from '../../../adapters/hnswlib/native.js';

/** Which calls of the native part fail from now on. */
export interface Faults {
  /** Is asked before every call; what it throws is thrown. */
  before?: (call: keyof NativeGraph) => void;
  /** Written instead of the graph. */
  file?: Uint8Array;
}

/**
 * Stands in for `hnswlib-node` with its sharp edges: looks at all vectors, but takes only plain arrays and fresh labels,
 * has a hard capacity in which deleted vectors count, fails silently to write, and believes what it reads.
 */
export function fakeHnswlib(faults: Faults = {}): HnswlibModule {
  return {
    HierarchicalNSW: class implements NativeGraph {
      readonly #space: 'ip' | 'l2';
      readonly #dimensions: number;
      #points = new Map<number, { point: number[]; isDeleted: boolean }>();
      #capacity = 0;

      constructor(space: 'ip' | 'l2', dimensions: number) {
        this.#space = space;
        this.#dimensions = dimensions;
      }

      initIndex(maxElements: number) {
        faults.before?.('initIndex');
        this.#capacity = maxElements;
      }

      addPoint(point: number[], label: number, replaceDeleted: boolean) {
        faults.before?.('addPoint');
        if (!Array.isArray(point) || point.length !== this.#dimensions) throw new Error('no point');
        if (!Number.isInteger(label) || label < 0 || label >= 2 ** 32) throw new Error('no label');
        if (this.#points.has(label)) throw new Error("Can't use addPoint to update");
        const vacant = [...this.#points].find(([, { isDeleted }]) => isDeleted);
        if (replaceDeleted && vacant) this.#points.delete(vacant[0]);
        else if (this.#points.size >= this.#capacity) throw new Error('exceeds the limit');
        this.#points.set(label, { point, isDeleted: false });
      }

      markDelete(label: number) {
        faults.before?.('markDelete');
        const found = this.#points.get(label);
        if (!found || found.isDeleted) throw new Error('is deleted already');
        found.isDeleted = true;
      }

      searchKnn(query: number[], k: number, filter?: (label: number) => boolean) {
        faults.before?.('searchKnn');
        if (!Array.isArray(query) || query.length !== this.#dimensions) throw new Error('no query');
        if (k > this.#capacity || k < 1) throw new Error('invalid k');
        const distance = (point: number[]): number =>
          this.#space === 'ip'
            ? 1 - point.reduce((sum, value, i) => sum + value * (query[i] as number), 0)
            : point.reduce((sum, value, i) => sum + (value - (query[i] as number)) ** 2, 0);
        const neighbors = [...this.#points]
          .filter(([label, { isDeleted }]) => !isDeleted && (!filter || filter(label)))
          .map(([label, { point }]) => ({ label, distance: distance(point) }))
          .sort((a, b) => a.distance - b.distance)
          .slice(0, k)
          .map(({ label }) => label);
        return { neighbors };
      }

      resizeIndex(maxElements: number) {
        faults.before?.('resizeIndex');
        if (maxElements < this.#points.size) throw new Error('too small');
        this.#capacity = maxElements;
      }

      setEf() {
        faults.before?.('setEf');
      }

      async writeIndex(path: string) {
        faults.before?.('writeIndex');
        const text = new TextEncoder().encode(JSON.stringify([...this.#points]));
        const head = new BigUint64Array(12);
        head[1] = BigInt(this.#capacity);
        head[2] = BigInt(this.#points.size);
        head[3] = 4n;
        const room = new Uint8Array(8 * this.#points.size).fill(0x20);
        const whole = Buffer.concat([new Uint8Array(head.buffer), text, room]);
        await writeFile(path, faults.file ?? whole);
        return true;
      }

      readIndexSync(path: string) {
        faults.before?.('readIndexSync');
        const bytes = readFileSync(path);
        this.#capacity = Number(bytes.readBigUInt64LE(8));
        this.#points = new Map(JSON.parse(bytes.subarray(96).toString()) as []);
      }

      getIdsList() {
        faults.before?.('getIdsList');
        return [...this.#points.keys()];
      }

      getCurrentCount() {
        return this.#points.size;
      }

      getMaxElements() {
        return this.#capacity;
      }
    },
  };
}
