import {
  type Chunk,
  chunkDocument,
  type ChunkRecord,
  type ChunkStore,
  createWeave,
  type Document,
  encodeDocument,
  keyScope,
  type PassageView,
  type RecomputePolicy,
  recursiveChunker,
  type SegmentOptions,
  variantKey,
  type Weave,
  type WeaveOptions,
} from '../../../lib/index.js';
import { createPromptLayout } from '../../../lib/prompt.js';
import { FakeEngine, type FakeEngineOptions } from '../../../lib/testing/index.js';

/** Cells of the weaves, and how documents are divided where there are so many. */
export const cells = 400;
export const segments: SegmentOptions = { maxTokens: 300, overlap: 100 };
export const chunker = recursiveChunker({ maxTokens: 64 });

const words = ['harbour', 'lantern', 'compass', 'herring', 'tower', 'ledger', 'anchor'];

/** A document of paragraphs that differ, each of them a chunk. */
export function book(id: string, paragraphs: number): Document {
  return { id, text: Array.from({ length: paragraphs }, (_, i) => paragraph(id, i)).join('\n\n') };
}

export function paragraph(id: string, number: number): string {
  const word = words[(number * 3 + id.length) % words.length];
  return `Page ${number} of ${id} tells of ${word} ${number * 7} and ${word}s.`;
}

/** A document in which one paragraph is another. */
export function edited({ id, text }: Document, number: number, instead: string): Document {
  const paragraphs = text.split('\n\n');
  paragraphs[number] = instead;
  return { id, text: paragraphs.join('\n\n') };
}

const closing: (() => Promise<void>)[] = [];

export async function warmWeave(
  options: Partial<WeaveOptions> & { readonly fake?: FakeEngineOptions } = {},
): Promise<{ readonly weave: Weave; readonly engine: FakeEngine }> {
  const { fake, ...others } = options;
  const engine = new FakeEngine(fake);
  const weave = await createWeave({
    engine,
    chunker,
    cells,
    maxTokens: 4,
    topK: 3,
    warmup: 'document',
    ...others,
  });
  closing.push(async () => {
    await weave.dispose();
    await engine.dispose();
  });
  return { weave, engine };
}

export async function closeAll(): Promise<void> {
  for (const close of closing.splice(0).toReversed()) await close();
}

/** Enough for everything. */
export const plenty = { budget: { milliseconds: 600_000 } };
export const nothing = { budget: { milliseconds: 0 } };

export async function recordsOf(store: ChunkStore): Promise<Map<string, ChunkRecord>> {
  const records = new Map<string, ChunkRecord>();
  for await (const key of store.list()) {
    const record = await store.get(key);
    if (record) records.set(key, record);
  }
  return records;
}

export const isVariant = (key: string): boolean => key.includes('.');

export async function chunksOf(document: Document): Promise<Chunk[]> {
  const { tokenizer } = new FakeEngine();
  return chunkDocument(document, { tokenizer, chunker });
}

/** Keys of a document's passages right after the prefix. */
export async function ownKeys(
  document: Document,
  access: { tenant?: string; label?: string } = {},
): Promise<string[]> {
  const engine = new FakeEngine();
  const layout = await createPromptLayout(engine);
  const scope = await keyScope({ ...engine, ...access, prefix: layout.prefix });
  return Promise.all((await chunksOf(document)).map((chunk) => scope.key(layout.passage(chunk))));
}

export interface Expected {
  readonly key: string;
  readonly data: Uint8Array;
  /** Keys of the passages that it saw. */
  readonly saw: readonly string[];
}

interface Direct {
  readonly chunks: readonly Expected[];
  readonly computed: number;
  readonly segments: number;
}

const known = new Map<string, Promise<Direct>>();

/** What encoding a document in segments gives, and how much is computed for it, without a weave. */
export function direct(document: Document): Promise<Direct> {
  const name = `${document.id} ${document.text}`;
  const made = known.get(name) ?? encodeDirectly(document);
  known.set(name, made);
  return made;
}

async function encodeDirectly(document: Document): Promise<Direct> {
  const engine = new FakeEngine();
  const { model } = engine;
  const layout = await createPromptLayout(engine);
  const arena = await engine.createArena({ cells: 2000 });
  const prefix = arena.createSequence();
  await prefix.append(layout.prefix, { logits: 'none' });
  const passages = (await chunksOf(document)).map((chunk) => layout.passage(chunk));
  const keys = await ownKeys(document);
  const tokens = Int32Array.from(passages.flatMap((run) => [...run]));
  let at = 0;
  const spans = passages.map(({ length }) => ({ start: at, end: (at += length) }));
  const chunks: Expected[] = [];
  let computed = 0;
  let count = 0;
  for await (const encoded of encodeDocument({ model, prefix, tokens, spans, segments })) {
    computed += encoded.segment.tokens.end - encoded.segment.tokens.start;
    count++;
    for (const { number, warmup, saw, kv } of encoded.chunks) {
      const own = keys[number]!;
      const seen = tokens.slice(warmup.start, warmup.end);
      const key = seen.length > 0 ? await variantKey(own, { warmup: seen }) : own;
      chunks.push({ key, data: kv!.data, saw: keys.slice(saw.start, saw.end) });
    }
  }
  await engine.dispose();
  return { chunks, computed, segments: count };
}

/** A policy that recomputes nothing and tells what it is shown. */
export function spy(): { policy: RecomputePolicy; seen: PassageView[] } {
  const seen: PassageView[] = [];
  const policy: RecomputePolicy = {
    name: 'spy',
    plan({ passages }) {
      seen.splice(0, seen.length, ...passages);
      return { policy: 'spy', passages: [] };
    },
  };
  return { policy, seen };
}

/** Whether the records of a store are those of a direct encoding, bit for bit, beside the prefix and what else it holds. */
export function holds(records: ReadonlyMap<string, ChunkRecord>, expected: readonly Expected[]) {
  return expected.filter(({ key, data }) => {
    const record = records.get(key);
    return record === undefined || Buffer.compare(record.kv.data, data) !== 0;
  });
}
