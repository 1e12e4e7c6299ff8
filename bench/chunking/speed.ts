import { setFlagsFromString } from 'node:v8';
import { runInNewContext } from 'node:vm';
import { RecursiveCharacterTextSplitter } from '@langchain/textsplitters';
import { type Document, recursiveChunker } from '../../lib/index.js';
import {
  atLeast,
  atMost,
  type BenchOptions,
  type BenchOutcome,
  interleave,
  median,
  medianRatio,
  round,
  timed,
} from '../harness.js';
import { withCharacterTokens } from './character-tokens.js';
import { chunkerKinds } from './kinds.js';

/** Characters of a chunk: some 250 tokens of English. */
const size = 1000;
/** UTF-16 units of the text that is cut. */
const length = 4_000_000;

/** Megabytes a second of each structural chunker, and of LangChain's splitter at the same settings. */
export async function speed(
  documents: readonly Document[],
  options: BenchOptions,
  { figures, goals }: BenchOutcome,
): Promise<void> {
  const document = longDocument(documents, length);
  const tokenized = withCharacterTokens(document);
  const megabytes = Buffer.byteLength(document.text) / 1e6;
  const splitter = new RecursiveCharacterTextSplitter({ chunkSize: size, chunkOverlap: 0 });
  const sides: Record<string, () => Promise<number>> = {
    langchain: () => timed(() => splitter.splitText(document.text)),
    // What it takes to make tokens counts here, since the other counts characters as it goes.
    ours: () =>
      timed(() => recursiveChunker({ maxTokens: size }).chunk(withCharacterTokens(document))),
  };
  for (const [name, kind] of Object.entries(chunkerKinds)) {
    const chunker = kind(size);
    sides[name] = () => timed(() => chunker.chunk(tokenized));
  }
  for (const run of Object.values(sides)) await run();
  const times = await interleave(options.repeat, sides);
  for (const name of Object.keys(chunkerKinds)) {
    const speed = megabytes / (median(times[name] as number[]) / 1000);
    goals[`speed.${name}.mbps`] = atLeast(speed, 20);
    options.log(`${name}: ${speed.toFixed(1)} MB/s`);
  }
  const langchain = times['langchain'] as number[];
  figures['speed.langchain.mbps'] = round(megabytes / (median(langchain) / 1000));
  goals['speed.timesLangchain'] = atLeast(medianRatio(langchain, times['ours'] as number[]), 3);
}

/** Memory that chunks hold, and whether it grows with the text and no faster. */
export async function memory(
  documents: readonly Document[],
  { figures, goals }: BenchOutcome,
): Promise<void> {
  setFlagsFromString('--expose-gc');
  const collect = runInNewContext('gc') as () => void;
  for (const [name, kind] of Object.entries(chunkerKinds)) {
    const perUnit: number[] = [];
    for (const units of [length / 4, length]) {
      const tokenized = withCharacterTokens(longDocument(documents, units));
      collect();
      const before = used();
      const chunks = await kind(size).chunk(tokenized);
      collect();
      perUnit.push((used() - before) / units);
      if (chunks.length === 0) throw new Error('there are chunks');
    }
    const [short, long] = perUnit as [number, number];
    figures[`memory.${name}.bytesPerCharacter`] = round(long);
    goals[`memory.${name}.growth`] = atMost(long / short, 1.2);
  }
}

function used(): number {
  const { heapUsed, arrayBuffers } = process.memoryUsage();
  return heapUsed + arrayBuffers;
}

/** The documents again and again, as one flat text of this many UTF-16 units. */
function longDocument(documents: readonly Document[], units: number): Document {
  const once = documents.map(({ text }) => text).join('\n\n');
  const text = `${once}\n\n`.repeat(Math.ceil(units / once.length)).slice(0, units);
  return { id: 'long', text: Buffer.from(text, 'utf16le').toString('utf16le') };
}
