import { loadEngine } from '../../adapters/ggml/index.js';
import { folderStore } from '../../adapters/fs/index.js';
import { resolveModel } from '../../adapters/models/index.js';
import {
  type Answer,
  type ChunkStore,
  createWeave,
  memoryStore,
  tieredStore,
  type Weave,
} from '../../lib/index.js';
import { interleave, median, medianRatio, round } from '../harness.js';
import { passages, QUESTION } from '../passages.js';
import type { StoreBench } from './part.js';
import { noRedis, startRedis } from './redis-server.js';

const PASSAGES = 8;

interface Side {
  readonly store: ChunkStore;
  /** Run before each question. */
  readonly before?: () => Promise<void>;
}

/**
 * Time to first token with chunks in memory, on disk, in Redis and in the tiers that `chunkweave ask` opens, as they are
 * when they are in use and with nothing in memory yet, against a full prefill of the same prompt.
 */
export const firstToken: StoreBench = async ({ directory, options, model, outcome, skip }) => {
  const { figures } = outcome;
  const { path } = await resolveModel(model);
  const engine = await loadEngine({ model: path, device: options.device });
  const server = await startRedis(`${directory}-redis`);
  if (!server) skip(`firstToken.redis: ${noRedis}`);
  const folder = (name: string): ChunkStore =>
    folderStore({ directory: `${directory}-${name}`, maxBytes: 2e9 });
  const memory = memoryStore();
  const sides: Record<string, Side> = {
    memory: { store: memoryStore({ maxBytes: 2e9 }) },
    disk: { store: folder('disk') },
    ...(server && { redis: { store: server.store() } }),
    tiered: { store: tieredStore([memoryStore(), folder('tiered')]) },
    'tiered.memoryEmpty': {
      store: tieredStore([memory, folder('emptied')]),
      before: () => memory.clear(),
    },
  };
  const weaves: Record<string, Weave> = {};
  const loads: Record<string, number[]> = {};
  try {
    const made = (sides['memory'] as Side).store;
    for (const [name, { store }] of Object.entries(sides)) {
      // What was made for the first is as good for the others.
      if (store !== made) await copyAll(made, store);
      const weave = await createWeave({ engine, store, topK: PASSAGES, maxTokens: 2, cells: 3072 });
      weaves[name] = weave;
      await weave.ingest(passages(PASSAGES), { budget: { milliseconds: 600_000 } });
      // What is still being written would be taken from there.
      await weave.ask(QUESTION);
    }
    const runs: Record<string, () => Promise<number>> = {
      full: async () =>
        (await (weaves['memory'] as Weave).ask(QUESTION, { reuse: 'full' })).timings.firstToken,
    };
    for (const [name, { store, before }] of Object.entries(sides)) {
      const weave = weaves[name] as Weave;
      const { prefix, passages: spans } = await weave.prompt(QUESTION);
      const tokens = spans.reduce((sum, { start, end }) => sum + end - start, prefix.end);
      loads[name] = [];
      runs[name] = async () => {
        await before?.();
        const { hits } = await store.stats();
        const answer = await weave.ask(QUESTION);
        assertFromStore(name, answer, tokens, (await store.stats()).hits - hits);
        loads[name]?.push(answer.timings.load);
        return answer.timings.firstToken;
      };
    }
    const times = await interleave(options.repeat, runs);
    const full = times['full'] as number[];
    for (const [name, values] of Object.entries(times)) {
      figures[`firstToken.${name}.ms`] = round(median(values));
      if (name !== 'full') figures[`firstToken.${name}.sooner`] = round(medianRatio(full, values));
    }
    for (const [name, values] of Object.entries(loads)) {
      figures[`firstToken.${name}.load.ms`] = round(median(values));
    }
  } finally {
    for (const weave of Object.values(weaves)) await weave.dispose();
    for (const { store } of Object.values(sides)) await store.close();
    await server?.stop();
    await engine.dispose();
  }
};

async function copyAll(from: ChunkStore, to: ChunkStore): Promise<void> {
  for await (const key of from.list()) {
    const record = await from.get(key);
    if (record && !(await to.put(key, record))) throw new Error('a record was not kept');
  }
}

/** Every passage was read from the store, none was computed: a time of anything else would say nothing. */
function assertFromStore(name: string, answer: Answer, tokens: number, hits: number): void {
  const { cached, recomputed } = answer.usage;
  if (answer.sources.length !== PASSAGES || cached + recomputed !== tokens || hits !== PASSAGES) {
    throw new Error(
      `${name}: ${cached + recomputed} of ${tokens} tokens were cached, ${hits} of ${PASSAGES} passages were read`,
    );
  }
}
