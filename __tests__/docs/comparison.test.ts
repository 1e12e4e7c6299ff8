import { expect, test } from '@jest/globals';
import { blocksOf, pages } from '../support/docs/pages.js';

test('the lines that the comparison counts are those that it shows', () => {
  const page = pages().find(({ path }) => path === 'docs/comparison.md')!;
  const rows = page.text.matchAll(/^\| (?<name>[\w.-]+)[^|]*\| (?<lines>\d+) +\|/gm);
  const said = Array.from(rows, ({ groups }) => [groups?.['name'], Number(groups?.['lines'])]);
  const shown = page.text.split(/^## /m).flatMap((section) => {
    const name = said.find(
      ([name]) => section.startsWith(`${name}\n`) || section.startsWith(`${name} `),
    );
    const [block] = blocksOf({ path: page.path, text: section });
    const lines = block?.code.split('\n').filter((line) => line.trim() !== '');
    return name && lines ? [[name[0], lines.length]] : [];
  });
  expect(shown.toSorted()).toEqual(said.toSorted());
  expect(said.length).toBe(5);
  const [ours, ...others] = said;
  for (const [, lines] of others) expect(Number(lines)).toBeGreaterThan(Number(ours?.[1]));
});
