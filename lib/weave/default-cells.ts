import type { KvEngine } from '../engine/engine.js';
import { kvBytesPerToken } from '../engine/model-info.js';

/** The longest prompt that room is made for unless a caller asks for more. */
const longestPrompt = 4096;

/** Share of the device's free memory that cells take unless a caller asks for more. */
const memoryShare = 1 / 4;

/**
 * Room for two prompts, so that a question need not wait for the whole answer to another; for one where two would take
 * too much of the device's memory.
 */
export function defaultCells({ model, device }: Pick<KvEngine, 'model' | 'device'>): number {
  const one = Math.min(model.contextLength, longestPrompt);
  const bytes = 2 * one * kvBytesPerToken(model.kv);
  // A device that does not tell has 0.
  const isTight = device.memoryFree > 0 && bytes > device.memoryFree * memoryShare;
  return isTight ? one : 2 * one;
}
