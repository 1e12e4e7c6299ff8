import { existsSync, statSync } from 'node:fs';
import { dirname, join, relative } from 'node:path';
import { expect, test } from '@jest/globals';
import { type Page, pages, root, withoutCode } from '../support/docs/pages.js';

const all = pages();
const anchors = new Map(all.map((page) => [page.path, anchorsOf(page)]));

/** The anchors of a page's headings as GitHub makes them, and those that it sets itself. */
function anchorsOf({ text }: Page): Set<string> {
  const found = new Set<string>();
  const uses = new Map<string, number>();
  // Code spans of headings count, fenced code does not.
  for (const line of text.replaceAll(/^(`{3,})[\s\S]*?^\1/gm, '').split('\n')) {
    const heading = /^#{1,6}\s+(?<title>.+?)\s*#*$/.exec(line)?.groups?.['title'];
    if (heading !== undefined) {
      const slug = slugOf(heading);
      const times = uses.get(slug) ?? 0;
      uses.set(slug, times + 1);
      found.add(times === 0 ? slug : `${slug}-${times}`);
    }
    for (const [, name = ''] of line.matchAll(/<a (?:id|name)="([^"]+)"/g)) found.add(name);
  }
  return found;
}

/** Lower case, of letters, numbers, `_`, `-` and spaces only, each space a `-`. */
function slugOf(heading: string): string {
  return heading
    .replaceAll(/!?\[([^\]]*)\]\([^)]*\)/g, '$1')
    .replaceAll(/[`*]/g, '')
    .toLowerCase()
    .replaceAll(/[^\p{L}\p{M}\p{N}\p{Pc}\- ]/gu, '')
    .replaceAll(' ', '-');
}

/** Targets of links and images, with the line that they stand on. */
function targetsOf(page: Page): { target: string; line: number }[] {
  const text = withoutCode(page.text);
  const inline = /!?\[[^\]]*\]\(\s*<?(?<target>[^)\s>]+)>?(?:\s+"[^"]*")?\s*\)/g;
  const named = /^\[[^\]]+\]:\s*<?(?<target>[^\s>]+)/gm;
  const tags = /<(?:a|img|source)\s[^>]*?(?:href|src|srcset)="(?<target>[^"]+)"/g;
  return [inline, named, tags].flatMap((pattern) =>
    Array.from(text.matchAll(pattern), ({ index, groups }) => ({
      target: groups?.['target'] ?? '',
      line: text.slice(0, index).split('\n').length,
    })),
  );
}

/** What is wrong with a link of a page, or undefined. */
function problemOf({ path }: Page, target: string): string | undefined {
  if (/^[a-z][a-z+.-]*:/i.test(target)) {
    if (target.startsWith('mailto:')) return undefined;
    return URL.canParse(target) && target.startsWith('https://') && !/\s/.test(target)
      ? undefined
      : 'is no https address';
  }
  const [file = '', anchor] = target.split('#', 2);
  const absolute = file === '' ? join(root, path) : join(root, dirname(path), decodeURI(file));
  const known = relative(root, absolute).replaceAll('\\', '/');
  if (known.startsWith('..')) return 'leaves the repository';
  if (file !== '' && !existsSync(absolute)) return 'is not there';
  if (anchor === undefined) return undefined;
  if (file !== '' && statSync(absolute).isDirectory()) return 'is a folder, which has no anchors';
  const there = anchors.get(known);
  if (!there) return 'has an anchor into no page';
  return there.has(anchor) ? undefined : `has no heading #${anchor}`;
}

test('every link and image of the pages leads somewhere', () => {
  const found = all.flatMap((page) => targetsOf(page).map((link) => ({ page, ...link })));
  expect(found.length).toBeGreaterThan(50);
  const problems = found.flatMap(({ page, target, line }) => {
    const problem = problemOf(page, target);
    return problem === undefined ? [] : [`${page.path}:${line}: ${target} ${problem}`];
  });
  expect(problems).toEqual([]);
});

test('a link that leads nowhere is seen', () => {
  const text =
    '# Über `cells`: a, b\n\n## Twice\n\n## Twice\n\n[a](#über-cells-a-b) [b](#twice-1) [c](#twice-2)\n' +
    '[d](none.md) ![e](docs/images/none.svg) [f](http://plain.example) `[g](code.md)`\n\n[h]: ../../outside.md\n';
  const page = { path: 'PAGE.md', text };
  anchors.set(page.path, anchorsOf(page));
  const bad = targetsOf(page).filter(({ target }) => problemOf(page, target) !== undefined);
  anchors.delete(page.path);
  expect(bad.map(({ target, line }) => `${line} ${target}`)).toEqual([
    '7 #twice-2',
    '8 none.md',
    '8 docs/images/none.svg',
    '8 http://plain.example',
    '10 ../../outside.md',
  ]);
});
