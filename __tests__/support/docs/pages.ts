import { readdirSync, readFileSync } from 'node:fs';
import { join, relative } from 'node:path';

export const root = join(import.meta.dirname, '../../..');

/** A Markdown page of the repository. */
export interface Page {
  /** From the root, with slashes: `docs/stores.md`. */
  readonly path: string;
  readonly text: string;
}

/** A fenced block of code. */
export interface Block {
  readonly page: string;
  /** Line of its first line of code, from 1. */
  readonly line: number;
  readonly language: string;
  readonly code: string;
}

/** Every page that people read: of the root, docs/ and examples/, in order. */
export function pages(): Page[] {
  const found = ['README.md', 'CHANGELOG.md'];
  for (const folder of ['docs', 'examples']) {
    const names = readdirSync(join(root, folder), { recursive: true, encoding: 'utf8' });
    found.push(...names.filter((name) => name.endsWith('.md')).map((name) => join(folder, name)));
  }
  return found
    .toSorted()
    .filter((path) => !path.startsWith(join('examples', 'documents')))
    .map((path) => ({
      path: relative(root, join(root, path)).replaceAll('\\', '/'),
      text: readFileSync(join(root, path), 'utf8'),
    }));
}

const fence = /^(?<fence>`{3,})(?<language>[a-z]*)[^\n]*\n(?<code>[\s\S]*?)^\k<fence>[ ]*$/gm;

export function blocksOf({ path, text }: Page): Block[] {
  return Array.from(text.matchAll(fence), ({ index, groups }) => {
    const { language = '', code = '' } = groups ?? {};
    return { page: path, line: text.slice(0, index).split('\n').length + 1, language, code };
  });
}

const blank = (code: string): string => code.replaceAll(/[^\n]/g, ' ');

/** The page without what stands in fences and in code spans, its lines where they were. */
export function withoutCode(text: string): string {
  return text.replaceAll(fence, blank).replaceAll(/(`+)(?!`)[\s\S]*?(?<!`)\1(?!`)/g, blank);
}
