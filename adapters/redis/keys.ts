/*
 * What a store keeps on the server, all of it under `<prefix>:{<access>}:`, where access is a hash of tenant and label;
 * the braces keep it on one node of a cluster:
 *   record:<key>     a record
 *   writing:<uuid>   one that is being written; goes by itself
 *   lease:<key>      who is computing a record
 *   used             sorted set: when each record was used last, in milliseconds since the epoch
 *   names            sorted set: the keys of all records, in their order
 *   sizes            hash: bytes of each record; also `total`, and `whole` when all records are known to be in it,
 *                    or `filling` while they are looked for
 *   hits             hash: how often each record was used
 *   ends             sorted set: when the time of each record that has one is over
 */

/** Names of everything that belongs to one tenant and label. */
export class Keys {
  readonly #home: string;
  /** How the names of records begin. */
  readonly records: string;
  /** The index, in the order in which scripts take it. */
  readonly index: readonly string[];

  constructor(prefix: string, access: string) {
    this.#home = `${prefix}:{${access}}:`;
    this.records = `${this.#home}record:`;
    this.index = ['used', 'names', 'sizes', 'hits', 'ends'].map((name) => this.#home + name);
  }

  record(key: string): string {
    return this.records + key;
  }

  writing(id: string): string {
    return `${this.#home}writing:${id}`;
  }

  lease(key: string): string {
    return `${this.#home}lease:${key}`;
  }
}
