import { InvalidArgumentError } from '../../errors.js';

/**
 * What the KV of passages is made in the sight of, beside the canonical prefix: `prefix`, nothing; `document`, or
 * `{ document }` with other sizes, the text before them in their own document; `{ text }`, one fixed text, the same for all; `{ neighbours }`, the passages
 * of the corpus that are most like them.
 */
export type Warmup =
  | 'prefix'
  | 'document'
  | DocumentWarmup
  | { readonly text: string }
  | NeighbourWarmup;

/** How documents are divided into segments, each computed by itself. Long ones repair more, short ones stand edits better. */
export interface DocumentWarmup {
  readonly document: {
    /** Most tokens of a segment, at least 64; default 2,048, and two thirds of it on average. */
    readonly segmentTokens?: number;
    /** Tokens before a segment that its first passage sees, at most half of `segmentTokens`; default an eighth. */
    readonly overlap?: number;
  };
}

export interface NeighbourWarmup {
  /** Most passages that a passage is encoded after, 1 to 16: those that the retriever finds for its text. */
  readonly neighbours: number;
  /** Tokens before it in its own document that it sees as well; default 0. */
  readonly preceding?: number;
  /**
   * How it sees both. `mean` (default): it is encoded twice, once after its neighbours and once after the tokens before
   * it, and the mean of the two is kept; where there is only one of them, what that gives. `sequence`: it is
   * encoded once, after its neighbours and then the tokens before it.
   */
  readonly join?: 'mean' | 'sequence';
}

/** How the KV of a passage was made: what it saw beside the canonical prefix. */
export type EncodedAfter = 'prefix' | 'document' | 'neighbours' | 'text';

/** More would hardly fit, nor help. */
const mostNeighbours = 16;

/** @throws InvalidArgumentError for what is no warm-up. */
export function kindOf(warmup: Warmup): EncodedAfter {
  if (warmup === 'prefix' || warmup === 'document') return warmup;
  const given = (warmup ?? {}) as Record<string, unknown>;
  if (given['document'] !== undefined) {
    documentSegments(warmup);
    return 'document';
  }
  const { text, neighbours, preceding = 0, join = 'mean' } = given;
  if (typeof text === 'string' && text.trim() !== '' && neighbours === undefined) return 'text';
  const some = isCount(neighbours, 1) && (neighbours as number) <= mostNeighbours;
  const isJoin = join === 'mean' || join === 'sequence';
  if (some && isCount(preceding, 0) && isJoin && text === undefined) return 'neighbours';
  throw new InvalidArgumentError(
    `warmup is ${JSON.stringify(warmup)}; give 'prefix', 'document', { document } with sizes, { text } with a text that is not empty, or { neighbours } with 1 to ${mostNeighbours} and, if wanted, preceding tokens and how to join the two, 'mean' or 'sequence'.`,
  );
}

/** Fewer tokens hardly hold a passage. */
const leastSegment = 64;

/**
 * How large segments of documents may be, where there is room for them.
 * @throws InvalidArgumentError for sizes that cannot be.
 */
export function documentSegments(warmup: Warmup): Required<DocumentWarmup['document']> {
  const { document = {} } = (typeof warmup === 'object' ? warmup : {}) as Partial<DocumentWarmup>;
  const { segmentTokens = 2048 } = document ?? {};
  const { overlap = Math.floor(segmentTokens / 8) } = document ?? {};
  if (isCount(segmentTokens, leastSegment) && isCount(overlap, 0) && 2 * overlap <= segmentTokens) {
    return { segmentTokens, overlap };
  }
  throw new InvalidArgumentError(
    `warmup.document is ${JSON.stringify(document)}; give segmentTokens of at least ${leastSegment}, and an overlap of at most half of them.`,
  );
}

function isCount(value: unknown, least: number): boolean {
  return Number.isSafeInteger(value) && (value as number) >= least;
}
