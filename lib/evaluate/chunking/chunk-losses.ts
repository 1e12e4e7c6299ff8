import type { Chunk } from '../../document.js';
import type { TokenLosses } from '../../chunkers/model/token-losses.js';
import { InvalidArgumentError } from '../../errors.js';

export interface ChunkLossOptions {
  /**
   * The model that reads the chunks, whose tokenizer's tokens they must have; for example `engineLosses({ engine })`. Two
   * chunks are read in one go, however long.
   */
  readonly losses: TokenLosses;
  /**
   * Tokens that a chunk by itself is read after. Default none: its first token has no loss then, and counts on
   * neither side. The programs of the authors of MoC read it after one space: give the tokens of `' '` to be like them.
   */
  readonly emptyContext?: Int32Array;
  readonly signal?: AbortSignal;
}

/** What of a chunk is read. */
export type ReadChunk = Pick<Chunk, 'tokens'>;

/** Mean losses of chunks by themselves and after others, in nats a token; each is computed when it is first asked for. */
export class ChunkLosses {
  readonly #chunks: readonly ReadChunk[];
  readonly #options: ChunkLossOptions;
  readonly #alone = new Map<number, Promise<Float32Array>>();

  constructor(chunks: readonly ReadChunk[], options: ChunkLossOptions) {
    this.#chunks = chunks;
    this.#options = options;
  }

  /**
   * Of chunk `of`: by itself, and after chunk `context`. Both are means over those tokens that have a loss both ways.
   * @throws InvalidArgumentError where no token has
   */
  async pair(
    of: number,
    context: number,
  ): Promise<{ readonly alone: number; readonly after: number }> {
    const alone = await this.#aloneOf(of);
    const after = await this.#read(this.#tokens(context), this.#tokens(of));
    let sumAlone = 0;
    let sumAfter = 0;
    let count = 0;
    for (const [i, loss] of alone.entries()) {
      const other = after[i] as number;
      if (!Number.isFinite(loss) || !Number.isFinite(other)) continue;
      sumAlone += loss;
      sumAfter += other;
      count++;
    }
    if (count === 0) {
      throw new InvalidArgumentError(
        `Chunk ${of} of ${alone.length} tokens has no token with a loss by itself and after chunk ${context}; give an emptyContext, or longer chunks.`,
      );
    }
    return { alone: sumAlone / count, after: sumAfter / count };
  }

  #tokens(chunk: number): Int32Array {
    return (this.#chunks[chunk] as ReadChunk).tokens;
  }

  #aloneOf(chunk: number): Promise<Float32Array> {
    let losses = this.#alone.get(chunk);
    if (!losses) {
      losses = this.#read(this.#options.emptyContext ?? new Int32Array(), this.#tokens(chunk));
      this.#alone.set(chunk, losses);
    }
    return losses;
  }

  async #read(context: Int32Array, tokens: Int32Array): Promise<Float32Array> {
    const { losses: source, signal } = this.#options;
    signal?.throwIfAborted();
    const both = new Int32Array(context.length + tokens.length);
    both.set(context);
    both.set(tokens, context.length);
    // As one sentence, so that no window ends between the two.
    const whole = [{ start: 0, end: both.length }];
    const losses = await source.lossesOf(both, whole, signal ? { signal } : {});
    if (losses.length !== both.length) {
      throw new InvalidArgumentError(
        `"${source.fingerprint}" gave ${losses.length} losses for ${both.length} tokens.`,
      );
    }
    return losses.slice(context.length);
  }
}

/**
 * How the authors' paper and programs take perplexity: `exponential`, the exponential of the mean loss, or the mean loss
 * itself.
 */
export function perplexityOf(loss: number, isExponential: boolean): number {
  return isExponential ? Math.exp(loss) : loss;
}
