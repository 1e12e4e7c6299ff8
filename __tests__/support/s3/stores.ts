import { randomUUID } from 'node:crypto';
import { afterAll, afterEach } from '@jest/globals';
import { GetObjectCommand, ListObjectsV2Command, PutObjectCommand } from '@aws-sdk/client-s3';
import { s3Store, type S3Store, type S3StoreOptions } from '../../../adapters/s3/index.js';
import { accessName, type StoreEvent } from '../../../lib/index.js';
import { bucket, type S3Server } from './server.js';

const opened = new Set<S3Store>();

const closeAll = async (): Promise<void> => {
  const stores = [...opened];
  opened.clear();
  for (const store of stores) await store.close();
};
afterEach(closeAll);
afterAll(closeAll);

export interface OpenStore {
  readonly store: S3Store;
  readonly events: StoreEvent[];
  readonly prefix: string;
  /** Where a key's record is. */
  nameOf(key: string): Promise<string>;
}

/** A store that is closed after the test, among names that nobody else has, and what it tells. */
export function openStore(
  { connection }: Pick<S3Server, 'connection'>,
  options: Partial<S3StoreOptions> = {},
): OpenStore {
  const events: StoreEvent[] = [];
  const { prefix = randomUUID() } = options;
  const where = options.client ? {} : { connection };
  const onEvent = (event: StoreEvent): void => void events.push(event);
  const store = s3Store({ bucket, maxAttempts: 1, ...where, onEvent, ...options, prefix });
  opened.add(store);
  return {
    store,
    events,
    prefix,
    nameOf: async (key) => `${prefix}/${await accessName(options)}/${key.slice(0, 2)}/${key}.kv`,
  };
}

export async function objectAt(
  { client }: Pick<S3Server, 'client'>,
  name: string,
): Promise<Buffer> {
  const { Body } = await client.send(new GetObjectCommand({ Bucket: bucket, Key: name }));
  return Buffer.from(await Body!.transformToByteArray());
}

export async function putObject(
  { client }: Pick<S3Server, 'client'>,
  name: string,
  bytes: Uint8Array,
): Promise<void> {
  await client.send(new PutObjectCommand({ Bucket: bucket, Key: name, Body: bytes }));
}

export async function namesIn(
  { client }: Pick<S3Server, 'client'>,
  prefix: string,
): Promise<string[]> {
  const { Contents = [] } = await client.send(
    new ListObjectsV2Command({ Bucket: bucket, Prefix: prefix }),
  );
  return Contents.map(({ Key }) => Key!);
}
