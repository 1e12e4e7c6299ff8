import { type Block, blocksOf, type Page } from './pages.js';

/** One or more blocks of a page that make a program. */
export interface BlockModule {
  /** Where its last block begins, for messages: `docs/stores.md:12`. */
  readonly name: string;
  /** `mts` as soon as one of its blocks is TypeScript. */
  readonly extension: 'mjs' | 'mts';
  /** What it needs to run; undefined where it needs nothing. */
  readonly needs: string | undefined;
  readonly code: string;
}

const script = new Set(['js', 'ts']);

/** The programs of a page: a block that goes on takes those before it along. */
export function modulesOf(page: Page): BlockModule[] {
  const modules: BlockModule[] = [];
  for (const block of blocksOf(page)) {
    if (!script.has(block.language)) continue;
    const before = firstLine(block).startsWith('// goes on') ? modules.at(-1) : undefined;
    modules.push({
      name: `${block.page}:${block.line}`,
      extension: block.language === 'ts' || before?.extension === 'mts' ? 'mts' : 'mjs',
      needs: /^\/\/ needs (?<what>.+)$/.exec(firstLine(block))?.groups?.['what'] ?? before?.needs,
      code: `${before?.code ?? ''}${block.code}`,
    });
  }
  return modules;
}

function firstLine({ code }: Block): string {
  return code.split('\n', 1)[0] ?? '';
}

/** Names that blocks may use without making them, with their types: a table of docs/README.md. */
export function givenNames({ text }: Page): Map<string, string> {
  const rows = text.matchAll(/^\| `(?<name>\w+)` +\| `(?<type>[^`]+)` +\|$/gm);
  return new Map(
    Array.from(rows, ({ groups }) => [groups?.['name'] ?? '', groups?.['type'] ?? '']),
  );
}
