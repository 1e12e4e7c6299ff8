import { randomUUID } from 'node:crypto';
import type { Lease } from '../../lib/store/chunk-store.js';
import { assertLeaseMs, freeLease, HeldLeases } from '../record/held-leases.js';
import type { Connection, SendOptions } from './connection.js';
import type { Keys } from './keys.js';
import { releaseScript, runScript } from './scripts.js';
import { ifServed, ServerFailure } from '../record/server-failure.js';

/** Who computes a record, among all who share the server, which ends each lease when its time is over. */
export class Leases {
  readonly #connection: Connection;
  readonly #keys: Keys;
  readonly #held = new HeldLeases();

  constructor(connection: Connection, keys: Keys) {
    this.#connection = connection;
    this.#keys = keys;
  }

  /**
   * Undefined while someone else has it. Where the server cannot be asked there is nobody to agree with, and everyone
   * gets a lease.
   * @throws InvalidArgumentError for a time that is none, or above a day; the signal's reason
   */
  async take(key: string, ttlMs: number, options: SendOptions): Promise<Lease | undefined> {
    assertLeaseMs(ttlMs);
    const name = this.#keys.lease(key);
    const token = randomUUID();
    const life = String(Math.ceil(ttlMs));
    try {
      const args = ['SET', name, token, 'NX', 'PX', life];
      const reply = await this.#connection.send(args, options);
      if (reply === null) return undefined;
    } catch (error) {
      if (!(error instanceof ServerFailure)) throw error;
      return freeLease;
    }
    // Once its time was over, someone else may have taken it: the script leaves that one alone.
    return this.#held.add(async () => {
      await ifServed(runScript(this.#connection, releaseScript, [name], [token]));
    });
  }

  releaseAll(): Promise<void> {
    return this.#held.releaseAll();
  }
}
