import { randomUUID } from 'node:crypto';
import { s3Store, type S3StoreOptions } from '../../../adapters/s3/index.js';
import { memoryStore, tieredStore } from '../../../lib/index.js';
import { storeConformance } from '../../../lib/testing/index.js';
import { bucket, s3Test, sharedS3 } from '../../support/s3/server.js';

const s3 = sharedS3();

const variants: Record<string, Partial<S3StoreOptions>> = {
  s3: {},
  's3, signed': { signingKey: 'a secret of enough bytes' },
  's3 of a tenant, with a time to live': { tenant: 'somebody', label: 'secret', ttlMs: 1e15 },
};

/** The sample records hold any bits, also those of numbers that are not finite. */
const create = (options: Partial<S3StoreOptions> = {}) =>
  s3Store({
    bucket,
    connection: s3.server.connection,
    prefix: randomUUID(),
    finite: false,
    ...options,
  });

for (const [name, options] of Object.entries(variants)) {
  storeConformance(
    { test: s3Test },
    {
      name,
      // A bucket has no bound but that of a record.
      create: ({ maxBytes }) => create({ maxRecordBytes: maxBytes, ...options }),
      evictsLeastRecentlyUsed: false,
    },
  );
}

storeConformance(
  { test: s3Test },
  {
    name: 'memory over s3',
    create: ({ maxBytes }) =>
      tieredStore([memoryStore({ maxBytes }), create({ maxRecordBytes: maxBytes })]),
    evictsLeastRecentlyUsed: false,
  },
);
