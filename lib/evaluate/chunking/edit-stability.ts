import { InvalidArgumentError } from '../../errors.js';
import { mean, quantile } from '../statistics/summary.js';

export type EditKind = 'insert' | 'delete' | 'replace';

export interface EditStabilityOptions extends SentenceEditOptions {
  /** Ids of a text's chunks, equal for equal passages of one document: those of this package are such. */
  readonly chunkIds: (text: string) => Promise<readonly string[]>;
}

export interface SentenceEditOptions {
  /** Places of the text where each kind of edit is made, evenly spread; default 20. */
  readonly positions?: number;
  /** Default all three. */
  readonly kinds?: readonly EditKind[];
  /** What is inserted; default a sentence that is unlike most. */
  readonly sentence?: string;
}

export interface EditStability {
  /** Share of the chunks of before that are still there after one edit, mean over the edits. */
  readonly unchanged: number;
  /** Chunks that are new after one edit, and so must be encoded. */
  readonly reencoded: { readonly median: number; readonly p95: number; readonly max: number };
  readonly edits: number;
}

const novel = 'On that very morning seventeen grey herons circled over the flooded quarry. ';

/** Ends of sentences, with the blanks behind them; rougher than a chunker's, and independent of it. */
const sentenceEnds = /[.!?。！？](?:["'”’)\]]*\s+|(?<=[。！？]))/g;

/**
 * How many chunks stay the same when one sentence of a text is inserted, deleted or replaced: each edit is made to the
 * whole text anew, which is then cut again.
 *
 * @throws InvalidArgumentError for a text with fewer sentences than positions
 */
export async function editStability(
  text: string,
  options: EditStabilityOptions,
): Promise<EditStability> {
  const { chunkIds } = options;
  const before = await chunkIds(text);
  const shares: number[] = [];
  const added: number[] = [];
  for (const edited of sentenceEdits(text, options)) {
    const after = new Set(await chunkIds(edited));
    const kept = before.filter((id) => after.has(id)).length;
    shares.push(before.length > 0 ? kept / before.length : 1);
    added.push(after.size - kept);
  }
  return {
    unchanged: mean(shares),
    reencoded: {
      median: quantile(added, 0.5),
      p95: quantile(added, 0.95),
      max: Math.max(...added),
    },
    edits: shares.length,
  };
}

/**
 * A text with one sentence inserted, deleted or replaced, at places evenly spread over it.
 *
 * @throws InvalidArgumentError for a text with fewer sentences than positions
 */
export function sentenceEdits(text: string, options: SentenceEditOptions = {}): string[] {
  const { positions = 20, sentence = novel, kinds = ['insert', 'delete', 'replace'] } = options;
  const ends = Array.from(text.matchAll(sentenceEnds), (match) => match.index + match[0].length);
  if (ends.length <= positions) {
    throw new InvalidArgumentError(
      `A text of ${ends.length} sentences has no ${positions} places for edits; give fewer positions.`,
    );
  }
  const edits: string[] = [];
  for (let i = 0; i < positions; i++) {
    const which = Math.floor(((i + 0.5) / positions) * (ends.length - 1));
    const from = ends[which] as number;
    const to = ends[which + 1] as number;
    for (const kind of kinds) {
      const written = kind === 'delete' ? '' : sentence;
      edits.push(text.slice(0, from) + written + text.slice(kind === 'insert' ? from : to));
    }
  }
  return edits;
}
