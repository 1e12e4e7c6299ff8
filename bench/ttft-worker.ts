/** A fresh process: loads model, index and store, asks once, reports the time to the first token. */
import { folderStore } from '../adapters/fs/index.js';
import { type DeviceChoice, loadEngine } from '../adapters/ggml/index.js';
import { createWeave, questionPolicy } from '../lib/index.js';
import { passages, QUESTION } from './passages.js';

const [path = '', folder = '', count = '8', device = 'cpu'] = process.argv.slice(2);
const engine = await loadEngine({ model: path, device: device as DeviceChoice });
const store = folderStore({ directory: folder, maxBytes: 4e9 });
const weave = await createWeave({
  engine,
  store,
  topK: Number(count),
  policy: questionPolicy({ ratio: 0.15 }),
  maxTokens: 2,
  cells: 8192 - 512,
});
await weave.ingest(passages(Number(count)), { budget: { milliseconds: 0 } });
// The process is fresh, the machine's caches are not: the first native compute of a process starts threads.
const warm = await engine.createArena({ cells: 256 });
await warm.createSequence().append(Int32Array.of(1, 2, 3));
await warm.dispose();
const { timings, usage } = await weave.ask(QUESTION);
if (usage.cached === 0) throw new Error('nothing was cached');
process.send?.(timings.firstToken);
await weave.dispose();
await engine.dispose();
process.disconnect?.();
