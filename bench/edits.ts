import { loadEngine } from '../adapters/ggml/index.js';
import { resolveModel } from '../adapters/models/index.js';
import { median, quantile, sentenceEdits } from '../lib/evaluate/index.js';
import {
  type Chunk,
  type Chunker,
  chunkDocument,
  type Document,
  encodeDocument,
  type KvEngine,
  type SegmentOptions,
  segmentsOf,
} from '../lib/index.js';
import { Cl100kTokenizer } from './chunking/cl100k.js';
import { readCorpus } from './chunking/data.js';
import { chunkerKinds } from './chunking/kinds.js';
import { BenchUsageError } from './command-line.js';
import { atMost, type BenchOptions, benchWith, emptyOutcome, isWanted, round } from './harness.js';

/** UTF-16 units of a document that edits are tried on: each edit cuts it anew. */
const editedUnits = 100_000;
/** Tokens that the model's own part computes. */
const timedTokens = 1_500;

interface Setting {
  readonly name: string;
  readonly segments: SegmentOptions;
}

/** What an edit of one sentence costs where passages are encoded in segments of their document, and what ingesting does. */
export const edits = benchWith(
  {
    corpus: { type: 'string', value: 'DIR', help: 'folder of .md and .txt files' },
    chunkers: {
      type: 'string',
      value: 'NAME-N,..',
      default: 'recursive-250,anchored-250,content-defined-300',
      help: 'chunkers with their most tokens',
    },
    segments: {
      type: 'string',
      value: 'N-O,..',
      default: '2048-256,1024-128,640-64,640-48',
      help: 'most tokens of segments with their overlap',
    },
  },
  async (options, own) => {
    if (own.corpus === undefined) throw new BenchUsageError('Give --corpus DIR.');
    const documents = (await readCorpus(own.corpus)).map(({ id, text }) => ({
      id,
      text: text.slice(0, editedUnits),
    }));
    const chunkers = own.chunkers.split(',').map(chunkerOf);
    const settings = own.segments.split(',').map(settingOf);
    const model = options.model ?? 'smollm2-135m-instruct';
    const outcome = emptyOutcome(model);
    const { figures, goals } = outcome;
    if (isWanted('counting', options, outcome)) {
      const tokenizer = new Cl100kTokenizer();
      for (const [kind, chunker] of chunkers) {
        const cut = async (document: Document) =>
          chunker.chunk({ ...document, tokens: await tokenizer.encode(document.text) });
        const versions: Chunk[][][] = [];
        for (const document of documents) {
          const texts = [document.text, ...sentenceEdits(document.text)];
          versions.push(await Promise.all(texts.map((text) => cut({ id: document.id, text }))));
        }
        for (const { name, segments } of settings) {
          const all = versions.map((list) => countEdits(list, segments));
          const at = `${kind}.${name}`;
          const put = (what: string, of: (one: Counted) => number, pick = Math.max): void => {
            figures[`${at}.${what}`] = round(pick(...all.map(of)));
          };
          put('changed.median', ({ changed }) => median(changed));
          put('changed.p95', ({ changed }) => quantile(changed, 0.95));
          put('computed.median', ({ computed }) => median(computed));
          put('tokens.median', ({ tokens }) => median(tokens));
          put('tokens.p95', ({ tokens }) => quantile(tokens, 0.95));
          put('ingest', ({ ingest }) => ingest);
          put('meanTokens', ({ meanTokens }) => meanTokens, Math.min);
          put('warmup.median', ({ warmups }) => median(warmups), Math.min);
          goals[`${at}.changed.median`] = atMost(figures[`${at}.changed.median`] ?? Infinity, 2);
          goals[`${at}.changed.p95`] = atMost(figures[`${at}.changed.p95`] ?? Infinity, 4);
          goals[`${at}.ingest`] = atMost(figures[`${at}.ingest`] ?? Infinity, 1.15);
          options.log(
            `${at}: ${figures[`${at}.changed.median`]} / ${figures[`${at}.changed.p95`]} passages, ` +
              `${figures[`${at}.tokens.median`]} / ${figures[`${at}.tokens.p95`]} tokens, ingest ${figures[`${at}.ingest`]}`,
          );
        }
      }
    }
    if (isWanted('time', options, outcome)) {
      await using engine = await engineOf(model, options);
      const [, chunker] = chunkers[0] as [string, Chunker];
      for (const { name, segments } of settings) {
        const found = await timeOf(engine, documents[0] as Document, chunker, segments, options);
        for (const [what, value] of Object.entries(found))
          figures[`${name}.${what}`] = round(value);
        options.log(`${name}: ${JSON.stringify(found)}`);
      }
    }
    return outcome;
  },
);

function chunkerOf(text: string): [string, Chunker] {
  const [, name = '', size] = /^(.+)-(\d+)$/.exec(text) ?? [];
  const kind = Object.hasOwn(chunkerKinds, name) ? chunkerKinds[name] : undefined;
  if (!kind) {
    const known = Object.keys(chunkerKinds).join(', ');
    throw new BenchUsageError(`--chunkers has "${text}"; give NAME-N with one of ${known}.`);
  }
  return [text, kind(Number(size))];
}

function settingOf(name: string): Setting {
  const [, size, overlap] = /^(\d+)-(\d+)$/.exec(name) ?? [];
  if (size === undefined) throw new BenchUsageError(`--segments has "${name}"; give N-O.`);
  return { name, segments: { maxTokens: Number(size), overlap: Number(overlap) } };
}

interface Counted {
  /** Of each edit: passages whose keys and values are others than before, or new. */
  readonly changed: number[];
  /** Passages that are computed, those included whose keys and values stay. */
  readonly computed: number[];
  readonly tokens: number[];
  /** Tokens computed by an ingest of the whole, over tokens of the text. */
  readonly ingest: number;
  readonly meanTokens: number;
  /** Of each passage: tokens that it saw. */
  readonly warmups: number[];
}

/** @param versions passages of the document as it was, then of each edit of that. */
function countEdits([first = [], ...others]: readonly Chunk[][], size: SegmentOptions): Counted {
  const base = planOf(first, size);
  const known = new Set(base.segments.flatMap(({ passages }) => passages.map(({ name }) => name)));
  const counted = { changed: [] as number[], computed: [] as number[], tokens: [] as number[] };
  for (const chunks of others) {
    let [changed, computed, tokens] = [0, 0, 0];
    for (const { passages, overlap } of planOf(chunks, size).segments) {
      const from = passages.findIndex(({ name }) => !known.has(name));
      if (from < 0) continue;
      const after = passages.slice(from);
      changed += after.filter(({ name }) => !known.has(name)).length;
      computed += after.length;
      tokens += overlap + after.reduce((sum, { length }) => sum + length, 0);
    }
    counted.changed.push(changed);
    counted.computed.push(computed);
    counted.tokens.push(tokens);
  }
  const overlaps = base.segments.reduce((sum, { overlap }) => sum + overlap, 0);
  return {
    ...counted,
    ingest: (base.length + overlaps) / base.length,
    meanTokens: base.length / first.length,
    warmups: base.segments.flatMap(({ passages }) => passages.map(({ warmup }) => warmup)),
  };
}

/** Passages one after another, and what each is named by: its own tokens and those that it saw. */
function planOf(chunks: readonly Chunk[], size: SegmentOptions) {
  const { tokens, spans } = joined(chunks);
  const segments = segmentsOf(tokens, spans, size).map(({ tokens: { start }, chunks: own }) => ({
    overlap: (spans[own.start]?.start ?? 0) - start,
    passages: spans.slice(own.start, own.end).map((span) => ({
      name: `${span.start - start} ${tokens.subarray(start, span.end).join()}`,
      length: span.end - span.start,
      warmup: span.start - start,
    })),
  }));
  return { segments, length: tokens.length };
}

function joined(chunks: readonly Chunk[]) {
  let at = 0;
  const spans = chunks.map(({ tokens: { length } }) => ({ start: at, end: (at += length) }));
  const tokens = new Int32Array(at);
  for (const [i, chunk] of chunks.entries()) tokens.set(chunk.tokens, spans[i]?.start);
  return { tokens, spans };
}

/** Milliseconds of the processor for an ingest in segments, pass by pass and in pieces that an edit can go on from. */
async function timeOf(
  engine: KvEngine,
  document: Document,
  chunker: Chunker,
  segments: SegmentOptions,
  { repeat }: BenchOptions,
) {
  const { model, tokenizer } = engine;
  const all = await chunkDocument(document, { tokenizer, chunker });
  const count = all.findIndex(({ tokenStart }) => tokenStart > timedTokens);
  const { tokens, spans } = joined(count < 0 ? all : all.slice(0, count));
  await using arena = await engine.createArena({ cells: 4096 });
  using prefix = arena.createSequence();
  await prefix.append(Int32Array.of(Math.max(0, tokenizer.bos)), { logits: 'none' });
  const run = async (pieces: boolean): Promise<number> => {
    const start = process.cpuUsage();
    const resume = pieces ? { resume: async () => [] } : {};
    const encoding = encodeDocument({ model, prefix, tokens, spans, segments, ...resume });
    for await (const part of encoding) void part;
    const { user, system } = process.cpuUsage(start);
    return (user + system) / 1000;
  };
  await run(true);
  const whole: number[] = [];
  const pieces: number[] = [];
  for (let i = 0; i < repeat; i++) {
    whole.push(await run(false));
    pieces.push(await run(true));
  }
  return {
    tokens: tokens.length,
    wholeMs: median(whole),
    piecesMs: median(pieces),
    ratio: median(pieces.map((ms, i) => ms / (whole[i] as number))),
  };
}

async function engineOf(model: string, { device, threads }: BenchOptions): Promise<KvEngine> {
  const { path } = await resolveModel(model);
  return loadEngine({ model: path, device, ...(threads !== undefined && { threads }) });
}
