import { expect, test } from '@jest/globals';
import { Files } from '../../../bench/store/layouts/files.js';
import type { RecordFolder } from '../../../bench/store/layouts/record-folder.js';
import { Segments } from '../../../bench/store/layouts/segments.js';
import { seededInteger, seededRandom } from '../../../lib/testing/index.js';
import { newFolder } from '../../support/store/folders.js';
import { hashedKey } from '../../support/store/records.js';

test.each<[string, (folder: string) => RecordFolder]>([
  ['files', (folder) => new Files(folder)],
  ['segments', (folder) => new Segments(folder, 2000)],
])(
  'what the layouts of %s hold is what was put and not deleted, also when opened anew',
  async (_, make) => {
    for (let seed = 1; seed <= 2; seed++) {
      const random = seededRandom(seed);
      const folder = await newFolder();
      const expected = new Map<string, Uint8Array>();
      let records = make(folder);
      await records.open();
      for (let step = 0; step < 300; step++) {
        const key = hashedKey(seededInteger(random, 12));
        const what = random();
        if (what < 0.5) {
          const bytes = new Uint8Array(seededInteger(random, 600)).fill(step);
          expected.set(key, bytes);
          await records.put(key, bytes);
        } else if (what < 0.9) {
          if (expected.delete(key)) await records.delete(key);
        } else if (what < 0.95) {
          await records.compact();
        } else {
          await records.close();
          records = make(folder);
          await records.open();
        }
        expect(records.records).toBe(expected.size);
        for (let number = 0; number < 12; number++) {
          const one = hashedKey(number);
          const found = await records.get(one);
          expect(found && Buffer.from(found).equals(expected.get(one)!)).toBe(
            expected.has(one) ? true : undefined,
          );
        }
      }
      await records.close();
    }
  },
);
