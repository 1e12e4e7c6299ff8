import type { TokenizedDocument } from '../../document.js';
import { inParallel } from '../../store/in-parallel.js';
import type { ChunkOptions } from '../chunker.js';
import type { Units } from '../units.js';
import { type BoundaryCache, KeptRanges } from './boundary-cache.js';
import type { ChunkingNotice, OnChunkingNotice } from './notice.js';
import { Patience } from './patience.js';
import type { UnitRange } from './unit-ranges.js';

/** What a model found of one part. */
export interface PartFound {
  /** In order, together all of the part. */
  readonly ranges: readonly UnitRange[];
  /** Sentences that it gave no use of, and why: they are among the ranges, and cut by their structure where too long. */
  readonly gaps?: readonly (UnitRange & { readonly why: string; readonly cause?: unknown })[];
  /** Why the best of several could not be told. */
  readonly unjudged?: unknown;
}

export interface PartsWork {
  readonly document: TokenizedDocument;
  readonly units: Units;
  readonly parts: readonly UnitRange[];
  readonly modelName: string;
  readonly cache: BoundaryCache | undefined;
  readonly onNotice?: OnChunkingNotice | undefined;
  /** Counts failures of its own where {@link find} does; default those of parts. */
  readonly patience?: Patience;
  /** Parts that are asked about at once. */
  readonly concurrency: number;
  /** Everything that what is found of a part depends on. */
  readonly keyParts: (part: UnitRange) => readonly unknown[];
  /** Asks. A rejection leaves the part to its structure. */
  readonly find: (part: UnitRange, signal: AbortSignal | undefined) => Promise<PartFound>;
}

/**
 * The ranges of a document whose parts are asked about one by one. What was found without a flaw is kept; what a cache has
 * is taken even where the model can be asked no more. Parts without a usable answer are one range, and told.
 */
export async function rangesInParts(
  work: PartsWork,
  { signal, onProgress }: ChunkOptions,
): Promise<UnitRange[]> {
  const { document, units, parts, cache, onNotice, patience = new Patience() } = work;
  const found: UnitRange[][] = parts.map((part) => [part]);
  const notices: ChunkingNotice[][] = parts.map(() => []);
  let done = 0;
  const placeOf = (unit: number) => document.tokens.starts[units.starts[unit] as number] as number;
  const tell = (
    number: number,
    kind: ChunkingNotice['kind'],
    { from, to }: UnitRange,
    what: string,
    cause: unknown,
  ) => {
    notices[number]?.push({
      kind,
      documentId: document.id,
      start: placeOf(from),
      end: placeOf(to),
      message: `A part of document "${document.id}" ${what}`,
      ...(cause !== undefined && { cause }),
    });
  };
  await inParallel(work.concurrency, [...parts.keys()], async (number) => {
    signal?.throwIfAborted();
    const part = parts[number] as UnitRange;
    const kept = await KeptRanges.of(cache, part.to - part.from, work.keyParts(part));
    const known = await kept.get();
    if (known) {
      found[number] = known.map((range) => moved(range, part.from));
    } else if (patience.isOver) {
      const why = `was cut by its structure: ${askedNoMore(work.modelName)}`;
      tell(number, 'structural-fallback', part, why, patience.cause);
    } else {
      try {
        const { ranges, gaps = [], unjudged } = await work.find(part, signal);
        if (gaps.every(({ cause }) => cause === undefined)) patience.answered();
        found[number] = [...ranges];
        for (const gap of gaps) {
          tell(
            number,
            'structural-fallback',
            gap,
            `was cut by its structure: ${gap.why}`,
            gap.cause,
          );
        }
        if (unjudged !== undefined) {
          const what = `has the first of several segmentations: they could not be judged (${String(unjudged)}).`;
          tell(number, 'unjudged', part, what, unjudged);
        }
        if (gaps.length === 0 && unjudged === undefined) {
          await kept.set(ranges.map((range) => moved(range, -part.from)));
        }
      } catch (cause) {
        signal?.throwIfAborted();
        patience.failed(cause);
        const why = `was cut by its structure: ${failedWith(work.modelName, cause)}`;
        tell(number, 'structural-fallback', part, why, cause);
      }
    }
    done += part.to - part.from;
    onProgress?.(done / units.size);
  });
  for (const notice of notices.flat()) onNotice?.(notice);
  return found.flat();
}

/** Why a model gave no answer, for people. */
export function failedWith(modelName: string, cause: unknown): string {
  return `the model "${modelName}" failed (${String(cause)}).`;
}

/** Why a model was not asked, for people. */
export function askedNoMore(modelName: string): string {
  return `the model "${modelName}" was asked no more after it had failed.`;
}

function moved({ from, to }: UnitRange, by: number): UnitRange {
  return { from: from + by, to: to + by };
}
