import {
  type Chunk,
  type ChunkKv,
  createWeave,
  memoryStore,
  type Weave,
  type WeaveOptions,
} from '../../../../lib/index.js';
import { createPromptLayout } from '../../../../lib/prompt.js';
import { FakeEngine, seededInteger, seededRandom } from '../../../../lib/testing/index.js';

const words =
  'harbour keeper lantern compass herring winter storm quay diary tower clock brass'.split(' ');

/** Chunks of different words and lengths, each of a document of its own. */
export async function someChunks(engine: FakeEngine, count: number, seed = 1): Promise<Chunk[]> {
  const random = seededRandom(seed);
  const chunks: Chunk[] = [];
  for (let i = 0; i < count; i++) {
    const text = Array.from(
      { length: 3 + seededInteger(random, 6) },
      () => words[seededInteger(random, words.length)],
    ).join(' ');
    const { ids } = await engine.tokenizer.encode(text);
    chunks.push({
      id: `chunk-${i}`,
      documentId: `document-${i}`,
      start: 0,
      end: text.length,
      text,
      tokens: ids,
      tokenStart: 0,
    });
  }
  return chunks;
}

export async function probedWeave(
  options: Partial<WeaveOptions> = {},
): Promise<{ engine: FakeEngine; weave: Weave } & AsyncDisposable> {
  const engine = new FakeEngine();
  const weave = await createWeave({
    engine,
    store: memoryStore(),
    system: 'Be brief.',
    ...options,
  });
  return {
    engine,
    weave,
    async [Symbol.asyncDispose]() {
      await weave.dispose();
      await engine.dispose();
    },
  };
}

/** Losses of the question by plain calls: each chunk encoded right behind the prefix, spliced, the question appended. */
export async function plainLosses(
  engine: FakeEngine,
  set: readonly Chunk[],
  question: string,
): Promise<number[]> {
  const layout = await createPromptLayout(engine, { system: 'Be brief.' });
  const { tokenizer } = engine;
  const before = (await tokenizer.encode('Question:')).ids;
  const own = (await tokenizer.encode(` ${question}`)).ids;
  await using arena = await engine.createArena({ cells: 4096 });
  using prefix = arena.createSequence();
  await prefix.append(layout.prefix);
  using woven = prefix.fork();
  for (const chunk of set) {
    using alone = prefix.fork();
    await alone.append(layout.passage(chunk));
    const kv: ChunkKv = await alone.capture({ start: prefix.length, end: alone.length });
    await woven.splice(kv);
  }
  const { losses } = await woven.append(Int32Array.of(...before, ...own), { losses: true });
  return Array.from(losses?.slice(before.length - 1, -1) ?? []);
}

/** The same where everything before the question is computed in one go. */
export async function prefilledLosses(
  engine: FakeEngine,
  set: readonly Chunk[],
  question: string,
): Promise<number[]> {
  const layout = await createPromptLayout(engine, { system: 'Be brief.' });
  const { tokenizer } = engine;
  const before = (await tokenizer.encode('Question:')).ids;
  const own = (await tokenizer.encode(` ${question}`)).ids;
  await using arena = await engine.createArena({ cells: 4096 });
  using sequence = arena.createSequence();
  await sequence.append(layout.prefix);
  for (const chunk of set) await sequence.append(layout.passage(chunk));
  const { losses } = await sequence.append(Int32Array.of(...before, ...own), { losses: true });
  return Array.from(losses?.slice(before.length - 1, -1) ?? []);
}
