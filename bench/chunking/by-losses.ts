import {
  boundaryClarity,
  chunkScore,
  type ChunkScore,
  chunkStickiness,
} from '../../lib/evaluate/index.js';
import {
  type Chunk,
  type Embedder,
  engineLosses,
  type KvEngine,
  type TokenLosses,
} from '../../lib/index.js';

/** Tokens of a text whose chunks are read: Chunk Stickiness reads each pair of them. */
export const readTokens = 1600;

/** Measures of a chunking that need a model's losses and nothing else, in the form of the papers and of their programs. */
export interface LossMeasures {
  readonly chunks: number;
  readonly clarity: { readonly paper: number; readonly code: number };
  readonly stickiness: { readonly paper: number; readonly code: number };
  readonly score: ChunkScore;
}

/** Reads texts as they are cut; what was read once, alone or behind another, is not read again. */
export class LossReader {
  readonly #engine: KvEngine;
  readonly #embedder: Embedder;
  readonly #losses: TokenLosses;

  constructor(engine: KvEngine, embedder: Embedder) {
    this.#engine = engine;
    this.#embedder = embedder;
    this.#losses = readOnce(engineLosses({ engine }));
  }

  /** @param chunks of one text, in order; the first of them, up to {@link readTokens} of the engine, are read. */
  async measure(chunks: readonly Chunk[]): Promise<LossMeasures> {
    const { tokenizer } = this.#engine;
    const read: { text: string; tokens: Int32Array }[] = [];
    let count = 0;
    for (const { text } of chunks) {
      const { ids } = await tokenizer.encode(text);
      count += ids.length;
      if (count > readTokens && read.length > 1) break;
      read.push({ text, tokens: ids });
    }
    const losses = this.#losses;
    const { ids: emptyContext } = await tokenizer.encode(' ');
    const paper = { losses, form: 'paper' } as const;
    const code = { losses, form: 'code', emptyContext } as const;
    return {
      chunks: read.length,
      clarity: {
        paper: (await boundaryClarity(read, paper)).mean,
        code: (await boundaryClarity(read, code)).mean,
      },
      stickiness: {
        paper: (await chunkStickiness(read, paper)).entropy,
        code: (await chunkStickiness(read, code)).entropy,
      },
      score: await chunkScore(read, { losses, embedder: this.#embedder }),
    };
  }
}

function readOnce(source: TokenLosses): TokenLosses {
  const known = new Map<string, Promise<Float32Array>>();
  return {
    fingerprint: source.fingerprint,
    lossesOf: (ids, sentences, options) => {
      const key = ids.join();
      const losses = known.get(key) ?? source.lossesOf(ids, sentences, options);
      known.set(key, losses);
      return losses;
    },
  };
}
