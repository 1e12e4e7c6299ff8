import { InvalidArgumentError } from '../../errors.js';
import { ChunkLosses, type ChunkLossOptions, type ReadChunk } from './chunk-losses.js';

export interface ChunkStickinessOptions extends ChunkLossOptions {
  /**
   * What an edge from a chunk `d` to another, `q`, weighs. `paper` (default): `Edge = (ppl(q) - ppl(q | d)) / ppl(q)`, high
   * where `q` needs `d`. `code`, as the authors' program has it: `1 - Edge + delta * |i - j| / (chunks - 1)`, high
   * where it does not; it also reads a chunk by itself after a space, see `emptyContext`. Published values are of the latter.
   */
  readonly form?: 'paper' | 'code';
  /** Edges are kept above this weight; default 0.8, as published (0.7 and 0.9 were tried). */
  readonly threshold?: number;
  /**
   * `complete` (default): edges between all chunks, both ways. `sequence`: only from a chunk to later ones, more than
   * `delta` behind it in the paper's form.
   */
  readonly graph?: 'complete' | 'sequence';
  /** Default 0, as published. */
  readonly delta?: number;
}

export interface ChunkStickiness {
  /** Structural entropy in bits, 0 without edges; at most `log2(chunks)`, so compare at equal numbers of chunks. */
  readonly entropy: number;
  /** Edges that were kept. */
  readonly edges: number;
}

/**
 * Chunk Stickiness: `CS = -sum_i (h_i / 2m) log2(h_i / 2m)`, `h_i` the degree of a chunk in the graph of the edges that are
 * kept, `m` their number (MoC, arXiv 2503.09600). The authors take lower for better. Each ordered pair of chunks is
 * one reading: some `chunks ** 2` calls of the model, half of it for a sequence.
 *
 * @throws InvalidArgumentError for options that are no numbers, or where no token of a chunk has a loss; the signal's reason
 */
export async function chunkStickiness(
  chunks: readonly ReadChunk[],
  options: ChunkStickinessOptions,
): Promise<ChunkStickiness> {
  const { form = 'paper', threshold = 0.8, graph = 'complete', delta = 0 } = options;
  for (const [name, value] of Object.entries({ threshold, delta })) {
    if (Number.isFinite(value)) continue;
    throw new InvalidArgumentError(`chunkStickiness: ${name} is ${value}; give a number.`);
  }
  const losses = new ChunkLosses(chunks, options);
  const degrees = new Float64Array(chunks.length);
  let edges = 0;
  for (let from = 0; from < chunks.length; from++) {
    const first = graph === 'complete' ? 0 : from + 1;
    for (let to = first; to < chunks.length; to++) {
      if (to === from) continue;
      if (graph === 'sequence' && form === 'paper' && to - from <= delta) continue;
      const { alone, after } = await losses.pair(to, from);
      const edge = 1 - Math.exp(after - alone);
      const distance = Math.abs(from - to) / (chunks.length - 1);
      const weight = form === 'paper' ? edge : 1 - edge + delta * distance;
      if (!(weight > threshold)) continue;
      edges++;
      degrees[from] = (degrees[from] as number) + 1;
      degrees[to] = (degrees[to] as number) + 1;
    }
  }
  let entropy = 0;
  for (const degree of degrees) {
    if (degree === 0) continue;
    const share = degree / (2 * edges);
    entropy -= share * Math.log2(share);
  }
  return { entropy, edges };
}
