import { loadEngine } from '../../adapters/ggml/index.js';
import { folderStore } from '../../adapters/fs/index.js';
import { resolveModel } from '../../adapters/models/index.js';
import { type ChunkStore, createWeave, memoryStore, type Weave } from '../../lib/index.js';
import { interleave, median, medianRatio, round } from '../harness.js';
import { passages, QUESTION } from '../passages.js';
import type { StoreBench } from './part.js';
import { startRedis } from './redis-server.js';

const PASSAGES = 8;

/** Time to first token with chunks in memory, on disk and in Redis, against a full prefill of the same prompt. */
export const firstToken: StoreBench = async ({ directory, options, model, outcome }) => {
  const { figures } = outcome;
  const { path } = await resolveModel(model);
  const engine = await loadEngine({ model: path, device: options.device });
  const server = await startRedis(`${directory}-redis`);
  if (!server) outcome.skipped.push('first-token.redis: redis-server is not installed');
  const stores: Record<string, ChunkStore> = {
    memory: memoryStore({ maxBytes: 2e9 }),
    disk: folderStore({ directory, maxBytes: 2e9 }),
    ...(server && { redis: server.store() }),
  };
  const weaves: Record<string, Weave> = {};
  try {
    for (const [name, store] of Object.entries(stores)) {
      const weave = await createWeave({ engine, store, topK: PASSAGES, maxTokens: 2, cells: 3072 });
      weaves[name] = weave;
      await weave.ingest(passages(PASSAGES), { budget: { milliseconds: 600_000 } });
      const { usage } = await weave.ask(QUESTION);
      if (usage.cached === 0) throw new Error(`nothing was cached in ${name}`);
    }
    const sides: Record<string, () => Promise<number>> = {
      full: async () =>
        (await (weaves['memory'] as Weave).ask(QUESTION, { reuse: 'full' })).timings.firstToken,
    };
    for (const [name, weave] of Object.entries(weaves)) {
      sides[name] = async () => {
        const { timings } = await weave.ask(QUESTION);
        figures[`firstToken.${name}.last.load.ms`] = round(timings.load);
        return timings.firstToken;
      };
    }
    const times = await interleave(options.repeat, sides);
    const full = times['full'] as number[];
    for (const [name, values] of Object.entries(times)) {
      figures[`firstToken.${name}.ms`] = round(median(values));
      if (name !== 'full') figures[`firstToken.${name}.sooner`] = round(medianRatio(full, values));
    }
  } finally {
    for (const weave of Object.values(weaves)) await weave.dispose();
    for (const store of Object.values(stores)) await store.close();
    await server?.stop();
    await engine.dispose();
  }
};
