import type { AppendRows, KvArena, KvSequence, RunOptions } from '../engine/arena.js';
import type { ChunkKv } from '../engine/chunk-kv.js';
import type { GroupAttention } from '../engine/forward.js';
import type { ModelInfo } from '../engine/model-info.js';
import { type EncodingStatistics, statisticsOf } from '../encode/statistics.js';
import { ComputeError } from '../errors.js';

/** What is known of the sequence that runs are encoded after, where statistics are wanted. */
export interface BatchBase {
  readonly model: Pick<ModelInfo, 'probeLayers' | 'heads'>;
  /** Its last tokens that are a warm-up; at least one. */
  readonly warmupTokens: number;
}

export interface EncodeBatchOptions extends RunOptions {
  /** Gives {@link EncodedRun.statistics}, with the warm-up in the place of an earlier chunk. Default none. */
  readonly statisticsAfter?: BatchBase | undefined;
}

export interface EncodedRun {
  readonly kv: ChunkKv;
  readonly statistics?: EncodingStatistics;
}

/**
 * Encodes several runs of tokens, each right after the same prefix and none in sight of another, in one
 * batch. Takes as many cells as they have tokens and gives all of them back.
 */
export async function encodeBatch(
  arena: KvArena,
  prefix: KvSequence,
  runs: readonly Int32Array[],
  { statisticsAfter: base, ...options }: EncodeBatchOptions = {},
): Promise<EncodedRun[]> {
  const start = prefix.length;
  const groups = runs.map((tokens): AppendRows => ({
    kind: 'append',
    sequence: prefix.fork(),
    tokens,
  }));
  try {
    const { attention } = await arena.forward(groups, {
      ...options,
      logits: 'none',
      ...(base && {
        attention: {
          layers: base.model.probeLayers,
          perLayer: true,
          spans: spansBefore(start, base.warmupTokens),
        },
      }),
    });
    const { signal } = options;
    const encoded: EncodedRun[] = [];
    for (const [i, { sequence, tokens }] of groups.entries()) {
      const span = { start, end: sequence.length };
      const kv = await sequence.capture(span, signal ? { signal } : {});
      const statistics = base && statisticsAfterText(base, attention?.[i], tokens.length);
      encoded.push({ kv, ...(statistics && { statistics }) });
    }
    return encoded;
  } finally {
    for (const { sequence } of groups) sequence.dispose();
  }
}

/** The warm-up, and what is before it where there is anything. */
function spansBefore(start: number, warmupTokens: number) {
  const warmup = { start: start - warmupTokens, end: start };
  return warmup.start > 0 ? [warmup, { start: 0, end: warmup.start }] : [warmup];
}

function statisticsAfterText(
  { model, warmupTokens }: BatchBase,
  attention: GroupAttention | undefined,
  tokens: number,
): EncodingStatistics {
  if (!attention?.bySpan) throw new ComputeError('The engine gave no attention.');
  const { bySpan, layers } = attention;
  const rows = layers.length * tokens;
  const columns = bySpan.length / rows;
  const own = new Float32Array(2 * rows);
  for (let row = 0; row < rows; row++) {
    // The masses of a row add up to one a head: what is not on text before the run is on the run itself.
    let rest = model.heads;
    for (let column = 0; column < columns; column++) rest -= bySpan[row * columns + column] ?? 0;
    own[2 * row] = bySpan[row * columns] ?? 0;
    own[2 * row + 1] = Math.max(0, rest);
  }
  return statisticsOf({
    bySpan: own,
    layers,
    rows: { start: 0, end: tokens },
    seen: [
      { chunk: 0, tokens: warmupTokens },
      { chunk: 1, tokens },
    ],
    chunk: 1,
  });
}
