import { mkdtempSync, readdirSync, readFileSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { afterAll, beforeAll, expect, jest, test } from '@jest/globals';
import { folderStore } from '../../../adapters/fs/index.js';
import type { ChunkRecord } from '../../../lib/index.js';
import { sampleKey, sampleRecord } from '../../../lib/testing/store-conformance.js';
import { store as storeCommand } from '../../../adapters/cli/commands/store.js';
import { chunkweave } from '../../support/cli.js';

jest.setTimeout(60_000);

const cache = mkdtempSync(join(tmpdir(), 'chunkweave-store-cli-'));
afterAll(() => rmSync(cache, { recursive: true, force: true }));
const run = (...args: string[]) => chunkweave(['store', ...args], { cache });

/** Numbers that an import from elsewhere takes: finite ones. */
function finite(seed: number, tokens = 5): ChunkRecord {
  const record = sampleRecord({ seed, tokens });
  return { ...record, kv: { ...record.kv, data: record.kv.data.map((byte) => byte & 0x3f) } };
}

beforeAll(async () => {
  const store = folderStore({ directory: join(cache, 'kv') });
  const source = { documentId: 'notes.md', start: 10, end: 90 };
  await store.put(sampleKey(1), { ...finite(1), source });
  await store.put(sampleKey(2, 3), finite(2, 7));
  await store.get(sampleKey(1));
  await store.close();
});

test('an empty store says what fills it', async () => {
  const { code, stdout, stderr } = await run('ls', '--dir', join(cache, 'nothing'));
  expect({ code, stdout }).toEqual({ code: 0, stdout: '' });
  expect(stderr).toContain('chunkweave ingest');
});

test('ls shows records as a table, those used last first, and as lines of JSON', async () => {
  const { code, stdout } = await run('ls');
  expect(code).toBe(0);
  const [head, first, second] = stdout.split('\n');
  expect(head).toMatch(/^key +tokens +size +codec +hits +used +cost +source$/);
  expect(first).toMatch(/^0{12} +5 .*f16 +1 .* notes\.md 10-90$/);
  expect(second).toMatch(/^0{12}\.0{6} +7 /);
  const lines = (await run('ls', '--json')).stdout.trim().split('\n');
  const infos = lines.map((line) => JSON.parse(line) as { key: string; tokens: number });
  expect(infos.map(({ key, tokens }) => [key, tokens])).toEqual([
    [sampleKey(1), 5],
    [sampleKey(2, 3), 7],
  ]);
});

test('stats add up', async () => {
  const { stdout } = await run('stats', '--json');
  expect(JSON.parse(stdout)).toMatchObject({ records: 2, tokens: 12, maxBytes: 4 * 2 ** 30 });
  expect((await run('stats')).stdout).toMatch(/^2 records of 12 tokens, .* of 4\.29 GB\nworth /);
});

test('the bound can be set, and one that is none is refused', async () => {
  const env = { CHUNKWEAVE_KV_BYTES: '1000000' };
  const { stdout } = await chunkweave(['store', 'stats', '--json'], { cache, env });
  expect(JSON.parse(stdout)).toMatchObject({ maxBytes: 1_000_000 });
  const wrong = { CHUNKWEAVE_KV_BYTES: 'much' };
  const refused = await chunkweave(['store', 'stats'], { cache, env: wrong });
  expect(refused.code).toBe(2);
  expect(refused.stderr).toContain('CHUNKWEAVE_KV_BYTES is "much"');
});

test('another tenant sees nothing', async () => {
  const { stdout } = await run('stats', '--json', '--tenant', 'other');
  expect(JSON.parse(stdout)).toMatchObject({ records: 0, bytes: 0 });
});

test('export and import carry records from one store to another', async () => {
  const folder = join(cache, 'exported');
  expect((await run('export', folder)).stdout).toMatch(/^Copied 2 records /);
  const other = join(cache, 'other');
  expect((await run('import', folder, '--dir', other)).code).toBe(0);
  const store = folderStore({ directory: other });
  const copied = await store.get(sampleKey(1));
  await store.close();
  expect(copied?.kv.data).toEqual(finite(1).kv.data);
  expect((await run('export')).code).toBe(2);
});

test('verify finds a flipped bit, fails, and finds nothing the second time', async () => {
  const directory = join(cache, 'damaged');
  const store = folderStore({ directory });
  await store.put(sampleKey(1), sampleRecord({ seed: 1 }));
  await store.put(sampleKey(2), sampleRecord({ seed: 2 }));
  await store.close();
  expect(await run('verify', '--dir', directory)).toMatchObject({ code: 0 });
  const [name] = readdirSync(directory, { recursive: true }).filter((path) =>
    String(path).endsWith(`${sampleKey(1)}.kv`),
  );
  const path = join(directory, String(name));
  const bytes = readFileSync(path);
  bytes[bytes.length - 100] = (bytes[bytes.length - 100] as number) ^ 4;
  writeFileSync(path, bytes);
  const { code, stdout } = await run('verify', '--dir', directory);
  expect(code).toBe(1);
  expect(stdout).toContain(`${sampleKey(1)}: `);
  expect(stdout).toContain('1 damaged and put aside');
  expect(await run('verify', '--dir', directory)).toMatchObject({ code: 0 });
});

test('on a terminal verify shows how far it is, and leaves nothing of that behind', async () => {
  const directory = join(cache, 'many');
  const store = folderStore({ directory });
  for (let number = 0; number < 40; number++) {
    await store.put(sampleKey(number), sampleRecord({ seed: number }));
  }
  const { bytes } = await store.stats();
  await store.close();
  for (const isTTY of [true, false]) {
    let [shown, printed] = ['', ''];
    const output = (write: (text: string) => void) => ({ write, isTTY, columns: 100 });
    const code = await storeCommand.run(['verify', '--dir', directory, '--json'], {
      stdout: output((text) => (printed += text)),
      stderr: output((text) => (shown += text)),
      env: { NO_COLOR: '1' },
      cwd: cache,
      signal: new AbortController().signal,
    });
    expect(code).toBe(0);
    expect(JSON.parse(printed)).toMatchObject({ records: 40, bad: [] });
    if (!isTTY) expect(shown).toBe('');
    else {
      const clear = '\r\u001B[2K';
      const [, first = ''] = shown.split(clear);
      expect(first).toMatch(/^Checking [█░]{24} \d+% \d+ of 40 records, /);
      // What is taken away last is not painted again.
      expect(shown.endsWith(clear)).toBe(true);
    }
  }
  expect(bytes).toBeGreaterThan(0);
});

test('compact and clear; clear asks first', async () => {
  expect((await run('compact')).stdout).toMatch(/^Removed 0 files /);
  const asked = await run('clear');
  expect(asked.code).toBe(2);
  expect(asked.stderr).toMatch(/This deletes 2 records .*--yes/);
  const refused = await run('clear', '--json');
  expect([refused.code, refused.stdout]).toEqual([2, '']);
  const { bytes } = JSON.parse((await run('stats', '--json')).stdout) as { bytes: number };
  const cleared = await run('clear', '--yes', '--json');
  expect(JSON.parse(cleared.stdout)).toEqual({ records: 2, bytes });
  expect((await run('clear', '--yes')).stdout).toMatch(/^Deleted 0 records /);
  expect(JSON.parse((await run('stats', '--json')).stdout)).toMatchObject({ records: 0 });
});

test('what cannot be done is explained', async () => {
  expect((await run()).stderr).toContain('ls|stats|verify|compact|export|import|clear');
  expect(await run('shrink')).toMatchObject({ code: 2 });
  expect((await run('ls', 'extra')).stderr).toContain('takes no more arguments');
});
