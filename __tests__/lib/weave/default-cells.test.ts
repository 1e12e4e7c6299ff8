import { expect, test } from '@jest/globals';
import { FakeEngine } from '../../../lib/testing/index.js';
import { kvBytesPerToken } from '../../../lib/index.js';
import { defaultCells } from '../../../lib/weave/default-cells.js';

const cellsOf = (contextLength: number, memoryFree: number): number => {
  const { model, device } = new FakeEngine();
  return defaultCells({ model: { ...model, contextLength }, device: { ...device, memoryFree } });
};

test('room for two prompts, of 4,096 tokens at most', () => {
  expect(cellsOf(2048, 0)).toBe(4096);
  expect(cellsOf(4096, 0)).toBe(8192);
  expect(cellsOf(131_072, 0)).toBe(8192);
});

test('room for one where two take more than a quarter of the free memory', () => {
  const bytes = 8192 * kvBytesPerToken(new FakeEngine().model.kv);
  expect(cellsOf(8192, 4 * bytes)).toBe(8192);
  expect(cellsOf(8192, 4 * bytes - 1)).toBe(4096);
});
