import { mkdtempSync, rmSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { afterAll, expect, jest, test } from '@jest/globals';
import { chunkweave } from '../../support/cli.js';
import { realModel } from '../../support/ggml/real-model.js';
import { miniLm } from '../../support/mini-lm.js';

jest.setTimeout(240_000);

const real = realModel();
const cache = mkdtempSync(join(tmpdir(), 'chunkweave-cli-'));
afterAll(() => rmSync(cache, { recursive: true, force: true }));

if (process.env['CI_MODEL_REQUIRED'] === '1') {
  test('a real model is at hand', () => expect(real).toBeDefined());
}

(real ? test : test.skip)(
  'the demo answers its first question within 60 seconds of a cold start, download apart',
  async () => {
    const start = performance.now();
    let answered: number | undefined;
    const { code, stdout, stderr } = await chunkweave(['demo'], {
      cache,
      env: { CHUNKWEAVE_MODEL: real as string, CHUNKWEAVE_EMBEDDER: miniLm() ?? 'none' },
      watch: (said, child) => {
        if (answered !== undefined || !said.includes('First token after')) return;
        answered = performance.now() - start;
        // The other answers would take their time and prove no more.
        child.kill('SIGINT');
      },
    });
    expect(code).toBe(130);
    expect(answered).toBeLessThan(60_000);
    expect(stdout).toMatch(/\w+ \w+/);
    expect(stderr).toMatch(/3 documents, \d+ passages, [\d,]+ tokens; \d+ passages? prefilled/);
    expect(stderr).toMatch(/^> What does the president say/m);
  },
);
