import { mkdirSync, readFileSync, readdirSync, rmSync, writeFileSync } from 'node:fs';
import { dirname, join, relative } from 'node:path';
import { fileURLToPath } from 'node:url';
import { API, SymbolFlags } from 'typescript/unstable/sync';

/**
 * Writes docs/api, a page for each entry of the package with every public name, from the declarations in dist, and the
 * help of the program into docs/cli.md. With --check it writes nothing and fails where a page is not what it would write.
 * Over TypeScript's own interface, since typedoc does not know TypeScript 7. Fails as well where a public function, class or constant has no docstring, or a type that has none itself has members
 * without one.
 */
const root = fileURLToPath(new URL('..', import.meta.url));
const { exports: entries } = JSON.parse(readFileSync(join(root, 'package.json'), 'utf8'));
const isCheck = process.argv.includes('--check');
const undocumented = [];

const pages = new Map();
const index = [];
const api = new API({ cwd: root });
try {
  const configFile = join(root, 'dist/tsconfig.docs.json');
  const files = Object.values(entries).flatMap((target) => target.types ?? []);
  writeFileSync(
    configFile,
    JSON.stringify({
      extends: '../tsconfig.json',
      compilerOptions: { rootDir: '.' },
      include: [],
      files: files.map((file) => join(root, file)),
    }),
  );
  const snapshot = api.updateSnapshot({ openProjects: [configFile] });
  const project = snapshot.getProject(configFile);
  for (const [name, target] of Object.entries(entries)) {
    if (!target.types) continue;
    const entry = name.replace('.', 'chunkweave');
    const page = name === '.' ? 'chunkweave.md' : `${name.slice(2)}.md`;
    const source = project.program.getSourceFile(join(root, target.types));
    const found = namesOf(project.checker, source);
    if (aboutOf(source) === '') undocumented.push(`${target.types}: the entry itself`);
    pages.set(`docs/api/${page}`, pageOf(entry, source, found));
    index.push(`| [\`${entry}\`](${page}) | ${found.length} | ${oneLine(aboutOf(source))} |`);
  }
} finally {
  api.close();
}
pages.set(
  'docs/api/README.md',
  `# API reference\n\nEvery public name by the entry that exports it, from declarations and docstrings. Made by \`npm run docs\`.\n\n` +
    `| entry | names | what it holds |\n| --- | --- | --- |\n${index.join('\n')}\n`,
);
pages.set('docs/cli.md', await cliPage());

/** What an entry exports, in alphabetical order, values before types. */
function namesOf(checker, source) {
  const symbols = checker.getExportsOfModule(checker.getSymbolAtLocation(source));
  const names = symbols.map((symbol) => {
    const target = symbol.flags & SymbolFlags.Alias ? checker.getAliasedSymbol(symbol) : symbol;
    const nodes = target.declarations.map((handle) => handle.resolve());
    const texts = nodes.map((node) => declarationOf(node, symbol.name));
    const comment = texts.map(({ comment }) => comment).find(Boolean) ?? '';
    const isType = !(target.flags & SymbolFlags.Value);
    const file = relative(root, nodes[0].getSourceFile().fileName);
    const code = texts.map(({ code }) => code).join('\n');
    if (comment === '' && !(isType && hasDocumentedMembers(code))) {
      undocumented.push(`${file.replace(/^dist\/|\.d\.ts$/g, '')}.ts: ${symbol.name}`);
    }
    return { name: symbol.name, comment, code, isType };
  });
  return names.sort((a, b) => Number(a.isType) - Number(b.isType) || (a.name < b.name ? -1 : 1));
}

/** Text of a declaration and the comment before it. A constant's is that of its statement. */
function declarationOf(node, name) {
  let whole = node;
  while (whole.parent && !/^\s*(?:export|declare|import)\b/.test(textOf(whole))) {
    if (whole.parent === whole.getSourceFile()) break;
    whole = whole.parent;
  }
  const { text } = whole.getSourceFile();
  const full = text.slice(whole.pos, whole.end);
  const comments = Array.from(full.matchAll(/\/\*\*[\s\S]*?\*\//g));
  const start = full.search(/^(?!\s*(?:\/?\*|$))[ \t]*\S/m);
  const comment = comments.filter((match) => match.index < start).at(-1)?.[0] ?? '';
  const code = full
    .slice(start)
    .replace(/^export /, '')
    .replace(/^declare /, '')
    .replaceAll(/^\s*#private;\n/gm, '')
    .replaceAll(/^\s*private .*;\n/gm, '');
  return { comment, code, name };
}

function textOf(node) {
  const { text } = node.getSourceFile();
  return text.slice(node.pos, node.end).replace(/^(?:\s|\/\*[\s\S]*?\*\/|\/\/.*\n)+/, '');
}

/** A type whose members explain themselves needs no sentence of its own; one without members is its own explanation. */
function hasDocumentedMembers(code) {
  return !/^(?:interface|class)/.test(code) || /\/\*\*/.test(code) || !/;/.test(code);
}

function pageOf(entry, source, names) {
  const parts = [`# ${entry}`, aboutOf(source), 'Made by `npm run docs`; edit the docstrings.'];
  const known = new Set(names.map(({ name }) => name));
  for (const [isType, title] of [
    [false, 'Functions, classes and constants'],
    [true, 'Types'],
  ]) {
    const some = names.filter((each) => each.isType === isType);
    if (some.length === 0) continue;
    parts.push(`## ${title}`);
    for (const { name, comment, code } of some) {
      parts.push(`### ${name}`);
      if (comment !== '') parts.push(prose(comment, known));
      parts.push(`\`\`\`ts\n${code.trimEnd()}\n\`\`\``);
    }
  }
  return `${parts.filter(Boolean).join('\n\n')}\n`;
}

/** The comment at the head of an entry. */
function aboutOf(source) {
  const head = /^\/\*\*[\s\S]*?\*\//.exec(source.text)?.[0] ?? '';
  return prose(head, new Set());
}

/** A docstring as Markdown: links to names of the same page, tags as sentences. */
function prose(comment, known) {
  return comment
    .replace(/^\/\*\*/, '')
    .replace(/\*\/$/, '')
    .replaceAll(/^[ \t]*\* ?/gm, '')
    .replaceAll(/\{@link ([^}\s]+)\s*\}/g, (_all, target) =>
      known.has(target) ? `[\`${target}\`](#${target.toLowerCase()})` : `\`${target}\``,
    )
    .replaceAll(/^@throws /gm, '\nThrows: ')
    .replaceAll(/^@param (\S+) /gm, '\n`$1`: ')
    .replaceAll(/^@returns /gm, '\nReturns: ')
    .replaceAll(/^@(\w+)/gm, '\n$1:')
    .replaceAll(/\n{3,}/g, '\n\n')
    .trim();
}

function oneLine(text) {
  return text.replaceAll('\n', ' ').trim();
}

/** What stands in docs/cli.md before the first help stays; the helps follow. */
async function cliPage() {
  const program = join(root, 'dist/adapters/cli/program.js');
  const { commands } = await import(program);
  const marker = '## The help of each command\n';
  const before = readFileSync(join(root, 'docs/cli.md'), 'utf8').split(marker)[0];
  const helps = commands.map(({ name, help }) => `### ${name}\n\n\`\`\`text\n${help}\n\`\`\`\n`);
  return `${before}${marker}\n${helps.join('\n')}`;
}

const problems = undocumented.toSorted().map((name) => `no docstring: ${name}`);
const folder = join(root, 'docs/api');
if (isCheck) {
  for (const [path, text] of pages) {
    if (readOr(path) !== text) problems.push(`out of date: ${path}. Run: npm run docs`);
  }
} else rmSync(folder, { recursive: true, force: true });
for (const [path, text] of isCheck ? [] : pages) {
  mkdirSync(dirname(join(root, path)), { recursive: true });
  writeFileSync(join(root, path), text);
}
for (const name of readdirSync(folder)) {
  if (!pages.has(`docs/api/${name}`)) problems.push(`no entry any more: docs/api/${name}`);
}
for (const problem of problems) console.error(problem);
process.exitCode = problems.length > 0 ? 1 : 0;

function readOr(path) {
  try {
    return readFileSync(join(root, path), 'utf8');
  } catch {
    return undefined;
  }
}
