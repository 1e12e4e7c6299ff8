import {
  createWeave,
  type Document,
  engineLosses,
  type KvEngine,
  type KvSequence,
  memoryStore,
  perplexityChunker,
  singlePassChunker,
  type TokenizedDocument,
} from '../../lib/index.js';
import { passSegments } from '../../lib/chunkers/single-pass.js';
import {
  atMost,
  type BenchOptions,
  type BenchOutcome,
  interleave,
  median,
  medianRatio,
  round,
} from '../harness.js';

/** Tokens of the text, or as many as the model has positions for. */
const textTokens = 8000;
const maxTokens = 300;

/**
 * What it takes to cut a text by its losses, and to ingest it in a single pass, beside a plain forward pass over its tokens:
 * one sequence whose every token sees all before it, as a prompt is computed, with no logits but the last. Also beside
 * passes over windows as long as the single pass's, that see and overlap nothing, without logits and with all of them. By
 * the time of the processor, which other work on the machine moves little, and by the clock.
 */
export async function pass(
  engine: KvEngine,
  documents: readonly Document[],
  options: BenchOptions,
  { figures, goals }: BenchOutcome,
): Promise<void> {
  const document = await textOf(engine, documents);
  const { ids } = document.tokens;
  const clock: Record<string, number[]> = {};
  const sides: Record<string, () => Promise<unknown>> = {
    plain: () => forward(engine, ids, 'last'),
    windows: () => inWindows(engine, ids, 'last'),
    'windows-scored': () => inWindows(engine, ids, 'losses'),
    perplexity: () =>
      perplexityChunker({ losses: engineLosses({ engine }), maxTokens }).chunk(document),
    'single-pass': () => {
      const kept: unknown[] = [];
      return singlePassChunker({
        engine,
        maxTokens,
        onEncoded: ({ kv }) => {
          kept.push(kv);
        },
      }).chunk(document);
    },
    ingest: async () => {
      const weave = await createWeave({
        engine,
        store: memoryStore({ maxBytes: 4e9 }),
        singlePass: { maxTokens },
      });
      try {
        await weave.ingest([{ id: document.id, text: document.text }]);
      } finally {
        await weave[Symbol.asyncDispose]();
      }
    },
  };
  const measured = Object.entries(sides).map(([name, run]) => [
    name,
    async (): Promise<number> => {
      const start = performance.now();
      const before = process.cpuUsage();
      await run();
      const { user, system } = process.cpuUsage(before);
      (clock[name] ??= []).push(performance.now() - start);
      const spent = (user + system) / 1000;
      options.log(`${name}: ${Math.round(spent)} ms of the processor`);
      return spent;
    },
  ]);
  // Code is compiled and buffers are made.
  await forward(engine, ids.slice(0, 512), 'losses');
  const times = await interleave(
    options.repeat,
    Object.fromEntries(measured) as Record<string, () => Promise<number>>,
  );
  figures['pass.tokens'] = ids.length;
  for (const name of Object.keys(sides)) {
    figures[`pass.${name}.cpuMs`] = round(median(times[name] as number[]));
    figures[`pass.${name}.ms`] = round(median(clock[name] as number[]));
    for (const base of ['plain', 'windows', 'windows-scored']) {
      if (base === name) continue;
      figures[`pass.${name}.over-${base}`] = round(over(times, name, base));
      figures[`pass.${name}.over-${base}.byClock`] = round(over(clock, name, base));
    }
    options.log(
      `${name}: ${figures[`pass.${name}.cpuMs`]} ms of the processor at the median, ${over(times, name, 'plain').toFixed(3)} times a plain pass (by the clock ${over(clock, name, 'plain').toFixed(3)})`,
    );
  }
  goals['pass.perplexity'] = atMost(over(times, 'perplexity', 'plain'), 1.1);
  goals['pass.single-pass'] = atMost(over(times, 'single-pass', 'plain'), 1.15);
  goals['pass.ingest'] = atMost(over(times, 'ingest', 'plain'), 1.15);
}

/** Of what was run side by side. */
const over = (by: Readonly<Record<string, number[]>>, name: string, base: string): number =>
  medianRatio(by[name] as number[], by[base] as number[]);

/** The beginning of the first text that is long enough, else of the longest. */
async function textOf(
  engine: KvEngine,
  documents: readonly Document[],
): Promise<TokenizedDocument> {
  const most = Math.min(textTokens, engine.model.contextLength - 1);
  let longest: TokenizedDocument | undefined;
  for (const document of documents) {
    const tokens = await engine.tokenizer.encode(document.text);
    if (tokens.ids.length > (longest?.tokens.ids.length ?? -1)) longest = { ...document, tokens };
    if (tokens.ids.length >= most) break;
  }
  if (!longest) throw new Error('there are texts');
  const { starts, ids } = longest.tokens;
  let count = Math.min(most, ids.length);
  // Not inside of a character.
  while ((starts[count] as number) < 0) count--;
  const text = longest.text.slice(0, starts[count]);
  return { id: longest.id, text, tokens: await engine.tokenizer.encode(text) };
}

/** All tokens in one call, behind BOS where the model wants one. */
async function forward(engine: KvEngine, ids: Int32Array, what: 'last' | 'losses'): Promise<void> {
  await using arena = await engine.createArena({ cells: ids.length + 1 });
  using sequence: KvSequence = arena.createSequence();
  const { addBos, bos } = engine.tokenizer;
  if (addBos && bos >= 0) await sequence.append(Int32Array.of(bos), { logits: 'none' });
  await sequence.append(
    ids,
    what === 'losses' ? { losses: true, logits: 'none' } : { logits: 'last' },
  );
}

async function inWindows(
  engine: KvEngine,
  ids: Int32Array,
  what: 'last' | 'losses',
): Promise<void> {
  for (let at = 0; at < ids.length; at += passSegments.maxTokens) {
    await forward(engine, ids.slice(at, at + passSegments.maxTokens), what);
  }
}
