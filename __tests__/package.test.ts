import { execFile } from 'node:child_process';
import { mkdtempSync, readFileSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { promisify } from 'node:util';
import { afterAll, expect, jest, test } from '@jest/globals';

jest.setTimeout(180_000);

const root = join(import.meta.dirname, '..');
const folder = mkdtempSync(join(tmpdir(), 'chunkweave-package-'));
afterAll(() => rmSync(folder, { recursive: true, force: true }));

const run = (file: string, args: readonly string[], cwd: string) =>
  promisify(execFile)(file, [...args], { cwd, maxBuffer: 1 << 26 });

const entries = [
  'chunkweave',
  'chunkweave/ai-sdk',
  'chunkweave/ggml',
  'chunkweave/models',
  'chunkweave/node',
  'chunkweave/fs',
  'chunkweave/evaluate',
  'chunkweave/hnswlib',
  'chunkweave/langchain',
  'chunkweave/openai',
  'chunkweave/opentelemetry',
  'chunkweave/pgvector',
  'chunkweave/prometheus',
  'chunkweave/redis',
  'chunkweave/s3',
  'chunkweave/testing',
  'chunkweave/transformers',
  'chunkweave/tree-sitter',
];

test.each(entries)('%s can be required as well as imported, and gives the same', async (entry) => {
  const script = `
    const required = require('${entry}');
    import('${entry}').then((imported) => {
      for (const name of Object.keys(imported)) if (required[name] !== imported[name]) throw new Error(name);
      console.log(Object.keys(imported).length);
    });`;
  const { stdout } = await run(process.execPath, ['-e', script], root);
  expect(Number(stdout)).toBeGreaterThan(0);
});

test('installed from its tarball without scripts and optional packages, the root entry answers', async () => {
  const { stdout } = await run('npm', ['pack', '--json', '--pack-destination', folder], root);
  const [{ filename }] = JSON.parse(stdout.slice(stdout.indexOf('['))) as [{ filename: string }];
  writeFileSync(join(folder, 'package.json'), '{ "private": true, "type": "module" }');
  const install = ['install', '--ignore-scripts', '--omit=optional', '--no-audit', '--no-fund'];
  await run('npm', [...install, join(folder, filename)], folder);
  writeFileSync(
    join(folder, 'main.js'),
    `import { createWeave } from 'chunkweave';
     import { FakeEngine } from 'chunkweave/testing';
     const engine = new FakeEngine();
     const weave = await createWeave({ engine });
     await weave.ingest([{ id: 'a', text: 'Otters eat fish. Pandas eat bamboo.' }]);
     const { sources, usage } = await weave.ask('What do otters eat?', { maxTokens: 4 });
     console.log(JSON.stringify({ sources: sources.length, prompt: usage.prompt }));
     await weave.dispose();`,
  );
  const answer = await run(process.execPath, ['main.js'], folder);
  expect(JSON.parse(answer.stdout)).toEqual({ sources: 1, prompt: expect.any(Number) });
  // The native engine is not there, and says how to get it.
  const native = `import('chunkweave/ggml').then(({ loadEngine }) => loadEngine({ model: process.execPath }))
    .catch(({ name, message }) => console.log(JSON.stringify({ name, message })))`;
  const refused = JSON.parse((await run(process.execPath, ['-e', native], folder)).stdout) as {
    readonly name: string;
    readonly message: string;
  };
  expect(refused.name).toBe('NativeLibraryError');
  expect(refused.message).toMatch(/npm install /);
  const program = await run(
    process.execPath,
    ['node_modules/chunkweave/dist/adapters/cli/main.js', '--version'],
    folder,
  );
  const manifest = JSON.parse(readFileSync(join(root, 'package.json'), 'utf8')) as {
    version: string;
  };
  expect(program.stdout.trim()).toBe(manifest.version);
});

test('the tarball holds neither tests nor benches, and every exported file', async () => {
  const { stdout } = await run('npm', ['pack', '--dry-run', '--json'], root);
  const [{ files }] = JSON.parse(stdout.slice(stdout.indexOf('['))) as [
    { files: { path: string }[] },
  ];
  const paths = files.map(({ path }) => path);
  expect(paths.filter((path) => /__tests__|^dist\/bench|^lib\/|\.test\./.test(path))).toEqual([]);
  const { exports } = JSON.parse(readFileSync(join(root, 'package.json'), 'utf8')) as {
    exports: Record<string, string | { types: string; default: string }>;
  };
  for (const target of Object.values(exports)) {
    for (const file of typeof target === 'string' ? [target] : Object.values(target)) {
      expect(paths).toContain(file.replace('./', ''));
    }
  }
  expect(paths.some((path) => path.startsWith('examples/documents/'))).toBe(true);
});
