import { folderStore } from '../../adapters/fs/index.js';
import { type GgmlEngine, loadEngine } from '../../adapters/ggml/index.js';
import { resolveModel } from '../../adapters/models/index.js';
import {
  type ChunkRecord,
  type ChunkStore,
  createWeave,
  kvBytesPerToken,
  memoryStore,
  preloadDepth,
  questionPolicy,
  type RowGroup,
} from '../../lib/index.js';
import { atMost, interleave, median, round, timed } from '../harness.js';
import { passages, QUESTION } from '../passages.js';
import { cannotDropCaches, dropCaches } from './drop-caches.js';
import type { StoreBench } from './part.js';
import { noRedis, startRedis } from './redis-server.js';

const PASSAGES = 8;
const RATIO = 0.15;
/** As a weave reads them. */
const READ_AT_ONCE = 4;

/**
 * Whether it would pay to compute layer 0 while later layers are still being read: what loading the passages of a
 * prompt takes from each tier, against refreshing 15% of their tokens and computing the question, for each layer.
 * Where loading is the quicker of the two, at most its own time could be hidden.
 */
export const pipeline: StoreBench = async ({ directory, options, model, outcome, skip }) => {
  const { figures, goals } = outcome;
  const { path } = await resolveModel(model);
  const engine = await loadEngine({ model: path, device: options.device });
  const server = await startRedis(`${directory}-redis`);
  if (!server) skip(`pipeline.redis: ${noRedis}`);
  const isCold = await dropCaches();
  if (!isCold) skip(`pipeline.disk.cold: ${cannotDropCaches}`);
  const disk = folderStore({ directory, maxBytes: 2 ** 40 });
  const stores: Record<string, ChunkStore> = {
    memory: memoryStore({ maxBytes: 2e9 }),
    'disk.warm': disk,
    ...(isCold && { 'disk.cold': disk }),
    ...(server && { redis: server.store() }),
  };
  let prompt: PreparedPrompt | undefined;
  try {
    prompt = await preparePrompt(engine);
    const { records, tokens, rows, compute, load } = prompt;
    const { layers } = engine.model;
    const keys = [...records.keys()];
    for (const store of new Set(Object.values(stores))) {
      for (const [key, record] of records) {
        if (!(await store.put(key, record))) throw new Error('a record was not kept');
      }
    }
    const sides: Record<string, () => Promise<number>> = { compute };
    for (const [name, store] of Object.entries(stores)) {
      const before = name === 'disk.cold' ? dropCaches : async () => true;
      sides[`${name}.whole`] = async () => (await before(), timed(() => readWhole(store, keys)));
      sides[`${name}.byLayer`] = async () => (
        await before(),
        timed(() => readByLayer(store, keys))
      );
      sides[`${name}.load`] = async () => (await before(), load(store));
    }
    await compute();
    const times = await interleave(options.repeat, sides);
    const perLayer = (side: string): number => median(times[side] ?? []) / layers;
    const computeMs = perLayer('compute');
    figures['pipeline.tokens'] = tokens;
    figures['pipeline.rows'] = rows;
    figures['pipeline.compute.msALayer'] = round(computeMs);
    const bytesALayer = (tokens * kvBytesPerToken(engine.model.kv)) / layers;
    // A tier that gives fewer bytes than this is slower than the compute.
    figures['pipeline.evenAt.MBps'] = round(bytesALayer / 1e3 / computeMs);
    for (const name of Object.keys(stores)) {
      for (const how of ['whole', 'byLayer']) {
        figures[`pipeline.${name}.${how}.msALayer`] = round(perLayer(`${name}.${how}`));
      }
      // With the copy into the arena, as a question waits for it.
      const loadMs = perLayer(`${name}.load`);
      figures[`pipeline.${name}.load.msALayer`] = round(loadMs);
      const depth = preloadDepth({ layers, computeMs, loadMs });
      figures[`pipeline.${name}.preloadDepth`] = depth;
      const ahead = depth * loadMs;
      const most = Math.max(0, layers * loadMs - ahead);
      figures[`pipeline.${name}.hideable.ms`] = round(most);
      figures[`pipeline.${name}.hideable.share`] = round(most / (layers * (loadMs + computeMs)));
      goals[`pipeline.${name}.load/compute`] = atMost(loadMs / computeMs, 1);
    }
  } finally {
    await prompt?.dispose();
    for (const store of new Set(Object.values(stores))) await store.close();
    await server?.stop();
    await engine.dispose();
  }
};

interface PreparedPrompt {
  /** By their keys, in the order of the prompt. */
  readonly records: ReadonlyMap<string, ChunkRecord>;
  /** Of the passages. */
  readonly tokens: number;
  /** Of one computation: refreshed tokens, and those of the question. */
  readonly rows: number;
  /** Milliseconds of native compute through all layers, without the output head. */
  compute(): Promise<number>;
  /** Milliseconds of reading all records of a store and putting them into the arena. */
  load(store: ChunkStore): Promise<number>;
  dispose(): Promise<void>;
}

/** Encodes the passages, and lays out what a question makes the engine compute. */
async function preparePrompt(engine: GgmlEngine): Promise<PreparedPrompt> {
  const store = memoryStore({ maxBytes: 2e9 });
  const weave = await createWeave({
    engine,
    store,
    topK: PASSAGES,
    maxTokens: 2,
    cells: 4096,
    policy: questionPolicy({ ratio: RATIO }),
  });
  await weave.ingest(passages(PASSAGES), { budget: { milliseconds: 600_000 } });
  const { plan } = await weave.ask(QUESTION);
  const prompt = await weave.prompt(QUESTION);
  const records = new Map<string, ChunkRecord>();
  const made = new Map<string, [string, ChunkRecord]>();
  // The store holds the prefix as well.
  for await (const key of store.list()) {
    const record = await store.get(key);
    if (record) made.set(record.kv.tokens.join(), [key, record]);
  }
  for (const { start, end } of prompt.passages) {
    const found = made.get(prompt.tokens.slice(start, end).join());
    if (found) records.set(...found);
  }
  await weave.dispose();
  if (records.size !== PASSAGES) throw new Error(`${records.size} passages were encoded`);

  const arena = await engine.createArena({ cells: 2 * prompt.tokens.length + 256 });
  const base = arena.createSequence();
  await base.append(prompt.tokens.slice(0, prompt.prefix.end), { logits: 'none' });
  const prefix = base.fork();
  for (const { kv } of records.values()) await base.splice(kv);
  const entries = Int32Array.from(
    (plan?.passages ?? []).flatMap(({ passage, tokens }) => {
      const { start = 0 } = prompt.passages[passage] ?? {};
      return Array.from(tokens, (token) => start + token);
    }),
  ).sort();
  const question = prompt.tokens.slice(prompt.question.start);
  const groups: RowGroup[] = [
    { kind: 'refresh', sequence: base, entries },
    { kind: 'append', sequence: base, tokens: question },
  ];
  return {
    records,
    tokens: prompt.passages.reduce((sum, { start, end }) => sum + end - start, 0),
    rows: entries.length + question.length,
    async compute() {
      const pass = await arena.begin(groups);
      const before = engine.computeMs;
      await pass.advance(engine.model.layers);
      const spent = engine.computeMs - before;
      await pass.dispose();
      return spent;
    },
    async load(from) {
      const sequence = prefix.fork();
      const keys = [...records.keys()];
      const ms = await timed(async () => {
        const reads: Promise<ChunkRecord | undefined>[] = [];
        for (const [i, key] of keys.entries()) {
          const turn = reads[i - READ_AT_ONCE] ?? Promise.resolve(undefined);
          reads.push(turn.then(() => from.get(key)));
        }
        for (const read of reads) {
          const record = await read;
          if (!record) throw new Error('a record was not found');
          await sequence.splice(record.kv);
        }
      });
      sequence.dispose();
      return ms;
    },
    dispose: () => arena.dispose(),
  };
}

/** Records as wholes, some at once. */
async function readWhole(store: ChunkStore, keys: readonly string[]): Promise<void> {
  const left = [...keys];
  const lane = async (): Promise<void> => {
    for (let key = left.shift(); key !== undefined; key = left.shift()) {
      if (!(await store.get(key))) throw new Error('a record was not found');
    }
  };
  await Promise.all(Array.from({ length: READ_AT_ONCE }, lane));
}

/** A layer of all records, then the next, as a pipeline would. */
async function readByLayer(store: ChunkStore, keys: readonly string[]): Promise<void> {
  const readers = keys.map((key) => store.getLayers(key)[Symbol.asyncIterator]());
  for (let layers = 0; ; layers++) {
    const read = await Promise.all(readers.map((reader) => reader.next()));
    if (!read.every(({ done }) => done)) continue;
    if (layers === 0) throw new Error('no record was found');
    return;
  }
}
