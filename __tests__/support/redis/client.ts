import { afterAll } from '@jest/globals';
import { createClient } from 'redis';
import { Keys } from '../../../adapters/redis/keys.js';
import { type Access, accessName } from '../../../lib/index.js';
import type { RedisServer } from './server.js';

/** A look behind the store's back. */
export interface ServerAccess {
  /** Sends any command; texts come back as bytes. */
  send(...args: (string | Buffer | number)[]): Promise<unknown>;
  /** Names of what is on the server. */
  names(): Promise<string[]>;
  bytesOf(name: string): Promise<Buffer>;
  /** A number that the server tells of itself. */
  told(name: string): Promise<number>;
}

const open = new Set<{ destroy(): void }>();

afterAll(() => {
  for (const client of open) client.destroy();
});

export async function accessTo(server: RedisServer): Promise<ServerAccess> {
  const client = createClient({ url: server.url, RESP: 2 });
  client.on('error', () => {});
  open.add(client);
  await client.connect();
  const send: ServerAccess['send'] = (...args) =>
    client.sendCommand(
      args.map((arg) => (typeof arg === 'number' ? String(arg) : arg)),
      { typeMapping: { 36: Buffer } },
    );
  return {
    send,
    async names() {
      return ((await send('KEYS', '*')) as Buffer[]).map(String).sort();
    },
    bytesOf: async (name) => (await send('GET', name)) as Buffer,
    async told(name) {
      const text = String(await send('INFO'));
      return Number(new RegExp(`^${name}:(\\d+)`, 'm').exec(text)?.[1]);
    },
  };
}

/** Names of what a store keeps on the server. */
export async function keysOfStore(prefix: string, access: Access = {}): Promise<Keys> {
  return new Keys(prefix, await accessName(access));
}
