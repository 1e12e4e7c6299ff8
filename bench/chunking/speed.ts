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
import { Cl100kTokenizer } from './cl100k.js';
import { withCharacterTokens } from './character-tokens.js';
import { type ChunkerKind, chunkerKinds } from './kinds.js';

/** Characters of a chunk: some 250 tokens of English. */
const size = 1000;
/** UTF-16 units of the text that is cut. */
const length = 4_000_000;
/** And of the text whose tokens are counted by a tokenizer, which takes most of the time. */
const countedLength = 200_000;

/** Megabytes a second of each structural chunker, and of LangChain's splitter at the same settings. */
export async function speed(
  documents: readonly Document[],
  options: BenchOptions,
  { figures, goals }: BenchOutcome,
): Promise<void> {
  const document = longDocument(documents, length);
  const tokenized = withCharacterTokens(document);
  const megabytes = Buffer.byteLength(document.text) / 1e6;
  const sides: Record<string, () => Promise<number>> = {
    ...besideLangchain(document, longDocument(documents, countedLength)),
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
  for (const counted of ['characters', 'tokens'] as const) {
    const theirs = times[`langchain.${counted}`] as number[];
    const ours = times[`ours.${counted}`] as number[];
    const ratio = medianRatio(theirs, ours);
    // Characters need no counting there, so with them there is no token counter to be the same.
    if (counted === 'tokens') goals['speed.timesLangchain.tokens'] = atLeast(ratio, 3);
    else figures['speed.timesLangchain.characters'] = round(ratio);
  }
}

/** LangChain's splitter and ours at equal sizes, counting characters, and tokens of cl100k_base. */
function besideLangchain(long: Document, short: Document): Record<string, () => Promise<number>> {
  const tokenizer = new Cl100kTokenizer();
  const byCharacters = new RecursiveCharacterTextSplitter({ chunkSize: size, chunkOverlap: 0 });
  const byTokens = new RecursiveCharacterTextSplitter({
    chunkSize: size / 4,
    chunkOverlap: 0,
    lengthFunction: (text) => tokenizer.count(text),
  });
  return {
    'langchain.characters': () => timed(() => byCharacters.splitText(long.text)),
    // Making the tokens counts here, since the other counts as it goes.
    'ours.characters': () =>
      timed(() => recursiveChunker({ maxTokens: size }).chunk(withCharacterTokens(long))),
    'langchain.tokens': () => timed(() => byTokens.splitText(short.text)),
    'ours.tokens': () =>
      timed(async () =>
        recursiveChunker({ maxTokens: size / 4 }).chunk({
          ...short,
          tokens: await tokenizer.encode(short.text),
        }),
      ),
  };
}

/** Memory that chunks hold, and whether it grows with the text and no faster. */
export async function memory(
  documents: readonly Document[],
  { figures, goals }: BenchOutcome,
): Promise<void> {
  setFlagsFromString('--expose-gc');
  const gc = runInNewContext('gc') as () => void;
  const collect = async () => {
    // What array buffers held is given back a little later.
    for (let i = 0; i < 3; i++) {
      gc();
      await new Promise((resolve) => setTimeout(resolve, 20));
    }
  };
  // A function of its own: what a loop held a round ago may live on in its frame.
  const held = async (kind: ChunkerKind, units: number): Promise<number> => {
    const tokenized = withCharacterTokens(longDocument(documents, units));
    await collect();
    const before = used();
    const chunks = await kind(size).chunk(tokenized);
    await collect();
    const bytes = used() - before;
    if (chunks.length === 0) throw new Error('there are chunks');
    return bytes / units;
  };
  for (const [name, kind] of Object.entries(chunkerKinds)) {
    // Compiled code and tables count once, not for each character.
    await held(kind, length / 8);
    await collect();
    const short = await held(kind, length / 4);
    await collect();
    const long = await held(kind, length);
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
