import { existsSync, readdirSync } from 'node:fs';
import { homedir } from 'node:os';
import { join } from 'node:path';

/**
 * A real model: the file that CHUNKWEAVE_TEST_MODEL names, or SmolLM2 135M from the model cache. Undefined
 * where there is neither; tests that need it are counted as skipped then.
 */
export function realModel(): string | undefined {
  const named = process.env['CHUNKWEAVE_TEST_MODEL'];
  if (named) return existsSync(named) ? named : undefined;
  const base =
    process.env['CHUNKWEAVE_CACHE'] ?? process.env['XDG_CACHE_HOME'] ?? join(homedir(), '.cache');
  for (const folder of [base, join(base, 'chunkweave')]) {
    const file = find(folder, 3);
    if (file) return file;
  }
  return undefined;
}

function find(folder: string, depth: number): string | undefined {
  if (!existsSync(folder)) return undefined;
  const entries = readdirSync(folder, { withFileTypes: true });
  const file = entries.find((entry) => /^smollm2-135m-instruct.*\.gguf$/i.test(entry.name));
  if (file) return join(folder, file.name);
  if (depth === 0) return undefined;
  for (const entry of entries) {
    const found =
      entry.isDirectory() && /chunkweave|model|smol/i.test(entry.name)
        ? find(join(folder, entry.name), depth - 1)
        : undefined;
    if (found) return found;
  }
  return undefined;
}
