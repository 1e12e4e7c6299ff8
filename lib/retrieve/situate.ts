import type { Chunk } from '../document.js';
import { InvalidArgumentError } from '../errors.js';
import { type ContextEmbedder, type Embedder, isContextEmbedder } from './embedder.js';
import { assertCount, assertShare } from './ranking.js';
import type { Siblings } from './siblings.js';

/**
 * How a passage's vector takes in what stands around it. With most embedders plain context makes retrieval worse, not
 * better (SitEmb, arXiv 2508.01959, has embedders trained for it): measure before you turn it on.
 */
export interface SituateOptions {
  /**
   * `joined`: one text of the passage and its neighbours is embedded. `mean`: the vector of the passage alone and that
   * of the joined text, weighted. `late`: the passage's own tokens after they saw the joined text (late chunking,
   * arXiv 2409.04701), by a {@link ContextEmbedder}; passages that fill the model's window see nothing. `custom`: the text
   * that {@link SituateOptions.textOf} makes, for embedders with a form of their own.
   */
  readonly how: 'joined' | 'mean' | 'late' | 'custom';
  /** Chunks of the same document ahead of the passage; default 1. */
  readonly before?: number;
  /** Chunks behind it; default 1. */
  readonly after?: number;
  /** Most UTF-16 units of context on each side, the nearest ones kept; default 1,000. */
  readonly maxUnits?: number;
  /** Weight of the passage's own vector against the joined one, in [0, 1]; default 0.7. Only with `mean`. */
  readonly alpha?: number;
  /** Only with `custom`. Says the same for equal input. */
  readonly textOf?: (passage: SituatedPassage) => string;
  /** Names what `textOf` does, and changes with it; required with `custom`. */
  readonly name?: string;
}

/** A passage and the text around it in its document. */
export interface SituatedPassage {
  readonly chunk: Chunk;
  readonly before: string;
  readonly after: string;
}

type Settled = Required<Pick<SituateOptions, 'how' | 'before' | 'after' | 'maxUnits' | 'alpha'>> &
  Pick<SituateOptions, 'textOf' | 'name'>;

/** Embeds passages, in their context where asked to. */
export class PassageEncoder {
  /** Changes whenever the vectors would. */
  readonly fingerprint: string;
  /** Chunks on each side that a vector depends on. */
  readonly reach: { readonly before: number; readonly after: number };
  readonly #embedder: Embedder;
  readonly #situate: Settled | undefined;

  /** @throws InvalidArgumentError for options that cannot be */
  constructor(embedder: Embedder, options: SituateOptions | undefined) {
    this.#embedder = embedder;
    this.#situate = options && settled(options);
    const situate = this.#situate;
    if (situate?.how === 'late' && !isContextEmbedder(embedder)) {
      throw new InvalidArgumentError(
        `situate: "late" needs an embedder with embedInContext, such as that of loadEmbedder(); ${embedder.fingerprint} has none.`,
      );
    }
    this.reach = situate ?? { before: 0, after: 0 };
    if (!situate) {
      this.fingerprint = embedder.fingerprint;
      return;
    }
    const { how, before, after, maxUnits, alpha, name } = situate;
    const own = how === 'mean' ? `, alpha ${alpha}` : how === 'custom' ? `, ${name}` : '';
    this.fingerprint = `${embedder.fingerprint}; ${how} ${before}+${after} chunks, ${maxUnits} units${own}`;
  }

  /** What a chunk's vector is made from; where that is equal, so are vectors. */
  sourceOf(chunk: Chunk, siblings: Siblings): string {
    const situate = this.#situate;
    if (!situate) return chunk.text;
    const passage = situated(chunk, siblings, situate);
    // The same text may be another passage of it.
    return situate.textOf?.(passage) ?? [passage.before, chunk.text, passage.after].join('\0');
  }

  /** One vector a chunk. */
  async encode(
    chunks: readonly Chunk[],
    siblings: Siblings,
    signal: AbortSignal | undefined,
  ): Promise<Float32Array[]> {
    const situate = this.#situate;
    const embed = (texts: readonly string[]): Promise<Float32Array[]> =>
      embedChecked(this.#embedder, texts, 'passage', signal);
    const own = (): Promise<Float32Array[]> => embed(chunks.map(({ text }) => text));
    if (!situate) return own();
    const { how, textOf = joinedText, alpha } = situate;
    const passages = chunks.map((chunk) => situated(chunk, siblings, situate));
    if (how === 'late' && isContextEmbedder(this.#embedder)) {
      return embedLate(this.#embedder, passages, signal);
    }
    const texts = passages.map(textOf);
    if (how !== 'mean') return embed(texts);
    const vectors = await own();
    const joined = await embed(texts);
    return vectors.map((vector, i) => weightedMean(vector, joined[i] as Float32Array, alpha));
  }
}

/**
 * Asks an embedder, and holds it to its contract.
 * @throws InvalidArgumentError when it gives too few vectors, or some that cannot be
 */
export async function embedChecked(
  embedder: Embedder,
  texts: readonly string[],
  kind: 'query' | 'passage',
  signal: AbortSignal | undefined,
): Promise<Float32Array[]> {
  signal?.throwIfAborted();
  const vectors = await embedder.embed(texts, { kind, ...(signal && { signal }) });
  return checkedVectors(embedder, vectors, texts.length, signal);
}

async function embedLate(
  embedder: ContextEmbedder,
  passages: readonly SituatedPassage[],
  signal: AbortSignal | undefined,
): Promise<Float32Array[]> {
  signal?.throwIfAborted();
  const parts = passages.map(({ chunk, before, after }) => ({ text: chunk.text, before, after }));
  const vectors = await embedder.embedInContext(parts, signal ? { signal } : {});
  return checkedVectors(embedder, vectors, parts.length, signal);
}

function checkedVectors(
  { dimensions, fingerprint }: Embedder,
  vectors: Float32Array[],
  count: number,
  signal: AbortSignal | undefined,
): Float32Array[] {
  signal?.throwIfAborted();
  const isVector = (vector: Float32Array): boolean =>
    vector.length === dimensions && vector.every(Number.isFinite);
  if (vectors.length === count && vectors.every(isVector)) return vectors;
  throw new InvalidArgumentError(
    `The embedder ${fingerprint} broke its contract: ${count} texts need as many vectors of ${dimensions} finite numbers.`,
  );
}

/** The passage between its neighbours; each on lines of its own. */
function joinedText({ chunk, before, after }: SituatedPassage): string {
  return [before, chunk.text, after].filter((text) => text !== '').join('\n');
}

function situated(
  chunk: Chunk,
  siblings: Siblings,
  { before, after, maxUnits }: Settled,
): SituatedPassage {
  const around = siblings.around(chunk, { before, after });
  return {
    chunk,
    before: textBefore(chunk, around.before, maxUnits),
    after: textAfter(chunk, around.after, maxUnits),
  };
}

/** Neighbours may overlap; nothing is said twice. */
function textBefore(chunk: Chunk, before: readonly Chunk[], maxUnits: number): string {
  const parts: string[] = [];
  let until = chunk.start;
  for (const one of before.toReversed()) {
    if (one.start >= until) continue;
    parts.unshift(one.text.slice(0, Math.max(0, until - one.start)));
    until = one.start;
  }
  const text = parts.join('\n');
  const cut = Math.max(0, text.length - maxUnits);
  return text.slice(isLowSurrogate(text, cut) ? cut + 1 : cut);
}

function textAfter(chunk: Chunk, after: readonly Chunk[], maxUnits: number): string {
  const parts: string[] = [];
  let from = chunk.end;
  for (const one of after) {
    if (one.end <= from) continue;
    parts.push(one.text.slice(Math.max(0, from - one.start)));
    from = one.end;
  }
  const text = parts.join('\n');
  return text.slice(0, isLowSurrogate(text, maxUnits) ? maxUnits - 1 : maxUnits);
}

/** A cut here would halve a character. */
function isLowSurrogate(text: string, at: number): boolean {
  const unit = text.charCodeAt(at);
  return unit >= 0xdc00 && unit <= 0xdfff && at > 0;
}

/** `alpha a + (1 - alpha) b`, of length 1. Vectors that cancel out leave `a`. */
function weightedMean(a: Float32Array, b: Float32Array, alpha: number): Float32Array {
  const mean = a.map((value, i) => alpha * value + (1 - alpha) * (b[i] as number));
  const length = Math.hypot(...mean);
  return length > 1e-6 ? mean.map((value) => value / length) : a;
}

function settled(options: SituateOptions): Settled {
  const { how, before = 1, after = 1, maxUnits = 1000, alpha = 0.7, textOf, name } = options;
  if (how !== 'joined' && how !== 'mean' && how !== 'late' && how !== 'custom') {
    throw new InvalidArgumentError(`situate.how is "${how}"; give joined, mean, late or custom.`);
  }
  assertCount('situate.before', before, 0);
  assertCount('situate.after', after, 0);
  assertCount('situate.maxUnits', maxUnits, 0);
  assertShare('situate.alpha', alpha);
  if (how === 'custom' ? !(textOf && name) : textOf) {
    throw new InvalidArgumentError(
      'situate: "custom" needs textOf and a name for it; the others take none.',
    );
  }
  return {
    how,
    before,
    after,
    maxUnits,
    alpha,
    ...(textOf && { textOf }),
    ...(name !== undefined && { name }),
  };
}
