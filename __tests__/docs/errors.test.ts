import { readdirSync, readFileSync } from 'node:fs';
import { join } from 'node:path';
import { expect, test } from '@jest/globals';
import { pages, root } from '../support/docs/pages.js';

/** Error classes of the package with their codes, by a look at the sources. The program's own stays inside it. */
function errorsOfSources(): Map<string, string> {
  const found = new Map<string, string>();
  for (const folder of ['lib', 'adapters']) {
    for (const name of readdirSync(join(root, folder), { recursive: true, encoding: 'utf8' })) {
      if (!name.endsWith('.ts') || name.startsWith('cli')) continue;
      const text = readFileSync(join(root, folder, name), 'utf8');
      const classes = text.matchAll(
        /^export class (\w+) extends ChunkweaveError \{[\s\S]*?super\(\s*'([A-Z_]+)'/gm,
      );
      for (const [, className = '', code = ''] of classes) found.set(className, code);
    }
  }
  return found;
}

const page = (path: string): string => pages().find((each) => each.path === path)?.text ?? '';

test('docs/errors.md lists every error once, with its code', () => {
  const rows = page('docs/errors.md').matchAll(/^\| `(\w+Error)` +\| `([A-Z_]+)` /gm);
  const listed = Array.from(rows, ([, name = '', code = '']) => `${name} ${code}`);
  const there = Array.from(errorsOfSources(), ([name, code]) => `${name} ${code}`);
  expect(there.length).toBeGreaterThan(25);
  expect(listed.toSorted()).toEqual(there.toSorted());
});

test('docs/troubleshooting.md has a word on every error, under names that there are', () => {
  const text = page('docs/troubleshooting.md');
  const known = [...errorsOfSources().keys()];
  const headings = Array.from(text.matchAll(/^### (.+)$/gm), ([, heading = '']) => heading);
  const named = headings.flatMap((heading) => heading.match(/\w+Error\b/g) ?? []);
  expect(named.filter((name) => !known.includes(name))).toEqual([]);
  expect(known.filter((name) => !text.includes(name))).toEqual([]);
});
