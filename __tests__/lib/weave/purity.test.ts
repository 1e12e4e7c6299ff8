import { expect, test } from '@jest/globals';
import { readdir, readFile } from 'node:fs/promises';
import { join, resolve, sep } from 'node:path';

const lib = resolve('lib');
/** What the pure part may stand on: packages without native code. */
const packages = [
  '@huggingface/jinja',
  'csv-parse/browser/esm',
  'htmlparser2',
  'micromark',
  'micromark-extension-gfm-table',
  'micromark-util-types',
  'minisearch',
  'tinyqueue',
];

const files = (await readdir(lib, { recursive: true })).filter((name) => name.endsWith('.ts'));

test.each(files)('lib/%s imports nothing native, no builtin and no adapter', async (name) => {
  const path = join(lib, name);
  const text = await readFile(path, 'utf8');
  const imports = text.matchAll(/(?:\bfrom\s+|\bimport\s*\(?\s*)'([^'\n]+)'/g);
  for (const [, specifier] of imports) {
    if (specifier!.startsWith('.')) {
      expect(resolve(path, '..', specifier!).startsWith(lib + sep)).toBe(true);
    } else expect(packages).toContain(specifier);
  }
  // require() of a module with top-level await fails.
  expect(text).not.toMatch(/^(export )?(const|let) .*= await |^await /m);
});
