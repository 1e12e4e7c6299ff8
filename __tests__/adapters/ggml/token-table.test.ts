import { expect, test } from '@jest/globals';
import type { Llama } from '../../../adapters/ggml/native/llama.js';
import type { VocabPtr } from '../../../adapters/ggml/native/pointer.js';
import { TokenTable } from '../../../adapters/ggml/token-table.js';
import { runAtOnce } from '../../../lib/pace.js';

/** A vocabulary in which each token is its number, written out. */
function counting(): { llama: Llama; asked(): number } {
  let asked = 0;
  const llama = {
    tokenToPiece(_vocabulary: VocabPtr, token: number, target: Buffer) {
      asked++;
      return target.write(String(token));
    },
    isEndOfGeneration: (_vocabulary: VocabPtr, token: number) => token === 7,
  };
  return { llama: llama as unknown as Llama, asked: () => asked };
}

test('the pages of a text are read with a pause after each, and once', () => {
  const { llama, asked } = counting();
  const table = new TokenTable(llama, null as unknown as VocabPtr, 4000);
  const ids = Int32Array.of(3999, 0, 5, 2100, 1, 3990);
  let before = 0;
  for (const share of table.prepare(ids)) {
    expect(share).toBeLessThan(1);
    expect(asked() - before).toBeGreaterThan(0);
    expect(asked() - before).toBeLessThanOrEqual(512);
    before = asked();
  }
  const read = asked();
  for (const id of ids) expect(Buffer.from(table.bytes(id)).toString()).toBe(String(id));
  expect(table.byteLength(2100)).toBe(4);
  expect(table.isEndOfGeneration(7)).toBe(true);
  runAtOnce(table.prepare(ids));
  expect(asked()).toBe(read);
});
