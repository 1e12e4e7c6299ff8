/** Loads a model, fills 4,000 of 4,096 cells and reports the memory that stays resident, in megabytes. */
import { loadEngine } from '../adapters/ggml/index.js';
import { someTokens } from './tokens.js';

const engine = await loadEngine({ model: process.argv[2] as string, device: 'cpu' });
const arena = await engine.createArena({ cells: 4096 });
const sequence = arena.createSequence();
await sequence.append(someTokens(4000, engine.model.vocabSize));
for (let i = 0; i < 16; i++) await sequence.append(Int32Array.of(1));
process.send?.(process.memoryUsage().rss / 1e6);
await engine.dispose();
process.disconnect?.();
