import { folderStore } from '../../adapters/fs/index.js';
import { keyScope } from '../../lib/index.js';
import { atMost, median, round, timed } from '../harness.js';
import { reportOf } from './child.js';
import type { StoreBench } from './part.js';
import { keyOf, recordOf } from './records.js';

const RECORDS = 10_000;
const RECORD_BYTES = 24_000;

export interface OpenedFolder {
  readonly openMs: number;
  readonly p50Ms: number;
  readonly p99Ms: number;
  /** Resident memory that the index takes, for each record. */
  readonly bytesARecord: number;
}

/** 10,000 records: opening, finding, and the memory that knowing them takes, in a fresh process each time. */
export const manyRecords: StoreBench = async ({ directory, options, outcome }) => {
  const { figures, goals } = outcome;
  const store = folderStore({ directory, maxBytes: 2 ** 40 });
  const fill = await timed(async () => {
    const record = recordOf(RECORD_BYTES, 1);
    for (let i = 0; i < RECORDS; i++) await store.put(keyOf(i), record);
  });
  figures['10k.put.ms'] = round(fill / RECORDS);
  await store.close();
  const opened: OpenedFolder[] = [];
  for (let run = 0; run < options.repeat; run++) opened.push(await openFresh(directory));
  const pick = (name: keyof OpenedFolder): number => round(median(opened.map((one) => one[name])));
  goals['10k.open.ms'] = atMost(pick('openMs'), 500);
  goals['10k.index.bytesARecord'] = atMost(pick('bytesARecord'), 1024);
  figures['10k.lookup.p50.ms'] = pick('p50Ms');
  figures['10k.lookup.p99.ms'] = pick('p99Ms');

  const scope = await keyScope({
    model: { fingerprint: 'bench', kv: recordOf(1, 1).kv.layout },
    tokenizer: { fingerprint: 'bench' },
    prefix: new Int32Array(30),
  });
  const tokens = Int32Array.from({ length: 250 }, (_, i) => i);
  const keys = await timed(async () => {
    for (let i = 0; i < 1000; i++) await scope.key(tokens);
  });
  figures['key.of250Tokens.us'] = round(keys);
};

const worker = new URL('./open-worker.js', import.meta.url);

function openFresh(directory: string): Promise<OpenedFolder> {
  return reportOf<OpenedFolder>(worker, [directory, RECORDS], ['--expose-gc']);
}
