import { execFile } from 'node:child_process';
import {
  mkdirSync,
  mkdtempSync,
  readdirSync,
  readFileSync,
  rmSync,
  symlinkSync,
  writeFileSync,
} from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { afterAll, beforeAll, expect, jest, test } from '@jest/globals';
import { transformSync } from '@swc/core';
import { type BlockModule, givenNames, modulesOf } from '../support/docs/modules.js';
import { pages, root } from '../support/docs/pages.js';
import { tinyFile } from '../support/native.js';
import { writeTinyBert } from '../support/tiny-bert.js';

jest.setTimeout(180_000);

const all = pages();
// What is generated there are signatures, not programs.
const modules = all.filter(({ path }) => !path.startsWith('docs/api/')).flatMap(modulesOf);
const given = givenNames(all.find(({ path }) => path === 'docs/README.md')!);
const { exports } = JSON.parse(readFileSync(join(root, 'package.json'), 'utf8')) as {
  exports: Record<string, string | { default: string }>;
};
/** Entries of the package, `chunkweave/fs`, and their files in dist. */
const entries = Object.entries(exports).flatMap(([name, target]) =>
  typeof target === 'string' ? [] : [[name.replace('.', 'chunkweave'), target.default] as const],
);

const folder = mkdtempSync(join(tmpdir(), 'chunkweave-docs-'));
afterAll(() => rmSync(folder, { recursive: true, force: true }));
/** Fails in both ways that a block can, so that a check which sees nothing is seen. */
const bad = { file: 'bad.mjs', code: 'throw engine.modle;\nexport {};\n' };
const fileOf = (i: number, { extension }: BlockModule): string => `block-${i}.${extension}`;

beforeAll(() => {
  for (const [i, block] of modules.entries()) {
    writeFileSync(join(folder, fileOf(i, block)), `${block.code}export {};\n`);
  }
  writeFileSync(join(folder, bad.file), bad.code);
  // Packages are found as from the root, but for this one.
  mkdirSync(join(folder, 'node_modules'));
  for (const name of readdirSync(join(root, 'node_modules'))) {
    symlinkSync(join(root, 'node_modules', name), join(folder, 'node_modules', name));
  }
});

test('every block of the pages has the types that the package has', async () => {
  const constants = Array.from(given, ([name, type]) => `  const ${name}: ${type};`);
  writeFileSync(
    join(folder, 'given.d.ts'),
    `export {};\ndeclare global {\n${constants.join('\n')}\n}\n`,
  );
  const sources = entries.map(([name, file]) => {
    const source = file.replace('./dist/', `${root}/`).replace(/\.js$/, '.ts');
    return [name, [source]];
  });
  const config = {
    extends: join(root, 'tsconfig.json'),
    compilerOptions: {
      rootDir: '/',
      allowJs: true,
      checkJs: true,
      // Examples name what they show.
      noUnusedLocals: false,
      noUnusedParameters: false,
      paths: Object.fromEntries(sources) as Record<string, string[]>,
    },
    include: ['*.mjs', '*.mts', 'given.d.ts'],
  };
  writeFileSync(join(folder, 'tsconfig.json'), JSON.stringify(config));
  const tsc = join(root, 'node_modules/typescript/bin/tsc');
  const { stdout } = await run([tsc, '-p', folder, '--pretty', 'false']);
  const problems = stdout.replaceAll(
    /^block-(\d+)\.\w+/gm,
    (_file, i: string) => modules[Number(i)]?.name ?? '',
  );
  const [seen, ...others] = problems.trim().split('\n').toSorted(badFirst);
  expect(others).toEqual([]);
  expect(seen).toMatch(/^bad\.mjs\(1,14\): error TS2551/);
});

function badFirst(a: string, b: string): number {
  return Number(b.startsWith(bad.file)) - Number(a.startsWith(bad.file));
}

/** Stands for what pages take as given, where they run. */
const values = `
import { engineLanguageModel, bm25Retriever, chunkDocument, createWeave, flatIndex, memoryStore, recursiveChunker, sumOfScores, topKSelector } from 'chunkweave';
import { createChunkweave } from 'chunkweave/ai-sdk';
import { FakeEngine, HashingEmbedder } from 'chunkweave/testing';
const engine = new FakeEngine();
const { tokenizer } = engine;
const embedder = new HashingEmbedder();
const text = 'The key lies under the mat. Rotate the signing key each year.';
const passages = await chunkDocument({ id: 'keys', text }, { tokenizer, chunker: recursiveChunker({ maxTokens: 8 }) });
export const makeGiven = async () => {
  const retriever = bm25Retriever();
  await retriever.add(passages);
  return {
    engine, tokenizer, embedder, passages, retriever,
    store: memoryStore(), weave: await createWeave({ engine }), index: flatIndex({ embedder }),
    selector: topKSelector(), value: sumOfScores(), model: engineLanguageModel(engine),
    texts: [text], question: 'Where is the key?', signal: new AbortController().signal,
    signingKey: new Uint8Array(32).fill(7), someModel: createChunkweave({ models: { any: engine } })('any'), remote: memoryStore(), pool: undefined,
  };
};
`;

/** Runs one block after another, each in a folder with documents, and prints what became of them. */
const runner = `
import { cpSync, mkdtempSync } from 'node:fs';
import { makeGiven } from './values.mjs';
const print = console.log;
console.log = console.warn = () => {};
process.stdout.write = ((write) => (text, ...rest) => (text.startsWith?.('{"block"') ? write(text, ...rest) : true))(process.stdout.write.bind(process.stdout));
for (const file of process.argv.slice(2)) {
  Object.assign(globalThis, await makeGiven());
  process.chdir(mkdtempSync(import.meta.dirname + '/run-'));
  cpSync(import.meta.dirname + '/files', '.', { recursive: true });
  const start = performance.now();
  let problem;
  try { await import(import.meta.dirname + '/' + file); } catch (error) { problem = error?.stack ?? String(error); }
  const milliseconds = Math.round(performance.now() - start);
  print(JSON.stringify({ block: file, milliseconds, problem }));
}
process.exit(0);
`;

test('every block that needs nothing else runs', async () => {
  const model = await tinyFile({ architecture: 'llama' });
  await writeTinyBert(join(folder, 'tiny-bert'));
  // What blocks read: documents, and tables of them and of questions.
  mkdirSync(join(folder, 'files/docs'), { recursive: true });
  const text =
    '# Keys\n\nRotate the signing key each year, with `rotate-keys`. Who may: the owners.\n';
  writeFileSync(join(folder, 'files/docs/keys.md'), text);
  const ticket = { key: 'T-1', summary: 'Keys', body: text, status: 'open', author: { name: 'A' } };
  writeFileSync(join(folder, 'files/tickets.jsonl'), `${JSON.stringify(ticket)}\n`);
  const asked = { question: 'When is the key rotated?', answers: ['each year'], passages: [text] };
  writeFileSync(join(folder, 'files/questions.jsonl'), `${JSON.stringify(asked)}\n`);
  writePackage({ model, embedder: join(folder, 'tiny-bert') });
  writeFileSync(join(folder, 'values.mjs'), values);
  writeFileSync(join(folder, 'runner.mjs'), runner);
  const files: string[] = [];
  for (const [i, block] of modules.entries()) {
    if (block.needs !== undefined) continue;
    const file = fileOf(i, block);
    if (block.extension === 'mts') {
      const { code } = transformSync(`${block.code}export {};`, {
        jsc: { target: 'es2022', parser: { syntax: 'typescript' } },
      });
      writeFileSync(join(folder, file.replace('.mts', '.run.mjs')), code);
    }
    files.push(file.replace('.mts', '.run.mjs'));
  }
  const { stdout, stderr } = await run([join(folder, 'runner.mjs'), bad.file, ...files]);
  const [seen, ...outcomes] = stdout
    .split('\n')
    .filter((line) => line.startsWith('{"block"'))
    .map((line) => JSON.parse(line) as { readonly block: string; readonly problem?: string });
  expect(seen).toMatchObject({ block: bad.file, problem: 'undefined' });
  const failed = outcomes.flatMap(({ block, problem }) => {
    const at = modules[Number(/\d+/.exec(block)?.[0])]?.name;
    return problem === undefined ? [] : [`${at}: ${problem}`];
  });
  expect(failed).toEqual([]);
  // None may take the process down, or be left out.
  expect({ ran: outcomes.length, stderr }).toEqual({ ran: files.length, stderr: '' });
  expect(files.length).toBeGreaterThan(modules.length / 2);
});

/** This package as built, but with tiny random models in the place of those that blocks name. */
function writePackage(stand: { readonly model: string; readonly embedder: string }): void {
  const home = join(folder, 'node_modules/chunkweave');
  mkdirSync(home);
  const targets: Record<string, string> = {};
  for (const [name, file] of entries) {
    const own = `${name.replace('chunkweave', 'entry').replaceAll('/', '-')}.js`;
    targets[name.replace('chunkweave', '.')] = `./${own}`;
    writeFileSync(join(home, own), `export * from '${join(root, file)}';\n`);
  }
  writeFileSync(
    join(home, 'entry-ggml.js'),
    `export * from '${root}/dist/adapters/ggml/index.js';
     import { loadEngine as engine, loadEmbedder as embedder } from '${root}/dist/adapters/ggml/index.js';
     export const loadEngine = (options) => engine({ ...options, model: ${JSON.stringify(stand.model)}, device: 'cpu', threads: 1 });
     export const loadEmbedder = (options) => embedder({ ...options, model: ${JSON.stringify(stand.embedder)}, device: 'cpu', threads: 1 });`,
  );
  writeFileSync(
    join(home, 'entry-node.js'),
    `export * from '${root}/dist/adapters/node/index.js';
     import { openWeave as open } from '${root}/dist/adapters/node/index.js';
     export const openWeave = (options = {}) => open({
       ...options,
       ...(!options.engine && { model: ${JSON.stringify(stand.model)}, device: 'cpu', threads: 1 }),
       ...(typeof options.embedder === 'string' && { embedder: ${JSON.stringify(stand.embedder)} }),
     });`,
  );
  writeFileSync(
    join(home, 'package.json'),
    JSON.stringify({ name: 'chunkweave', type: 'module', exports: targets }),
  );
}

function run(args: readonly string[]): Promise<{ stdout: string; stderr: string }> {
  return new Promise((resolve) => {
    const env = { ...process.env, CHUNKWEAVE_CACHE: join(folder, 'cache'), NODE_NO_WARNINGS: '1' };
    execFile(
      process.execPath,
      [...args],
      { cwd: folder, env, timeout: 150_000 },
      (_error, stdout, stderr) => resolve({ stdout, stderr }),
    );
  });
}
