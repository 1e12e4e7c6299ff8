import { mkdtempSync, readdirSync, readFileSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { afterAll, expect, test } from '@jest/globals';
import { Terminal } from '../../../adapters/cli/report/terminal.js';
import { openStore } from '../../../adapters/cli/session.js';
import type { GgmlEngine } from '../../../adapters/ggml/engine.js';
import { FakeEngine, sampleKey, sampleRecord } from '../../../lib/testing/index.js';

const cache = mkdtempSync(join(tmpdir(), 'chunkweave-damaged-'));
afterAll(() => rmSync(cache, { recursive: true, force: true }));

test('damaged records are misses that heal, and it is said once', async () => {
  await using engine = new FakeEngine();
  const lines: string[] = [];
  const output = { write: (text: string) => void lines.push(text), isTTY: false, columns: 80 };
  const signal = new AbortController().signal;
  const env = { CHUNKWEAVE_CACHE: cache };
  const io = { stdout: output, stderr: output, env, cwd: cache, signal };
  const open = () => openStore(io, engine as unknown as GgmlEngine, new Terminal(io));
  const keys = [sampleKey(1), sampleKey(2), sampleKey(3)];
  const fill = async () => {
    const store = open();
    // Dear enough that loading them is always worth it.
    for (const [i, key] of keys.entries()) {
      await store.put(key, { ...sampleRecord({ seed: i, tokens: 6 }), computeMs: 1e6 });
    }
    await store.close();
  };
  await fill();
  const files = readdirSync(cache, { recursive: true, encoding: 'utf8' });
  const records = files.filter((name) => name.endsWith('.kv')).map((name) => join(cache, name));
  expect(records).toHaveLength(3);
  for (const [i, path] of records.entries()) {
    const bytes = readFileSync(path);
    if (i === 0) writeFileSync(path, bytes.subarray(0, bytes.length - 100));
    else
      writeFileSync(
        path,
        bytes.map((byte, at) => (at === bytes.length - 9 ? byte ^ 1 : byte)),
      );
  }

  const store = open();
  for (const key of keys) expect(await store.get(key)).toBeUndefined();
  await store.close();
  expect(lines).toHaveLength(1);
  expect(lines[0]).toMatch(/damaged \(.+\).*put aside.*chunkweave store verify/);

  await fill();
  const healed = open();
  for (const key of keys) expect((await healed.get(key))?.kv.tokens).toHaveLength(6);
  await healed.close();
  expect(lines).toHaveLength(1);
});
