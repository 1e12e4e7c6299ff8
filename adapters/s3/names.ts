import { isKey } from '../../lib/store/chunk-key.js';

/*
 * What a store keeps in its bucket, all of it under `<prefix>/<access>/`, where access is a hash of tenant and label:
 *   <first two digits>/<key>.kv   a record
 *   leases/<key>                  who is computing a record
 */

/** Names of everything that belongs to one tenant and label. */
export class Names {
  readonly home: string;

  constructor(prefix: string, access: string) {
    this.home = `${prefix === '' ? '' : `${prefix}/`}${access}/`;
  }

  record(key: string): string {
    return `${this.home}${key.slice(0, 2)}/${key}.kv`;
  }

  /** How the names of a chunk's record and of its variants begin. */
  chunk(chunk: string): string {
    return `${this.home}${chunk.slice(0, 2)}/${chunk}`;
  }

  lease(key: string): string {
    return `${this.home}leases/${key}`;
  }

  /** The key that an object is the record of; undefined for anything else. */
  keyOf(name: string): string | undefined {
    const key = /\/([^/]+)\.kv$/.exec(name)?.[1];
    return isKey(key) && name === this.record(key) ? key : undefined;
  }
}
