import type { ChunkKv } from '../../engine/chunk-kv.js';
import { StoreError } from '../../errors.js';
import { runSteps, type Steps } from '../../pace.js';
import type { ChunkRecord, GetLayersOptions, RecordInfo } from '../chunk-store.js';
import { recordLayers } from '../record.js';
import type { MissReason } from '../store-stats.js';
import type { Outcome } from './attempt.js';
import type { Tier } from './tier.js';

/** How far reading the layers of a record has come. */
export interface LayersProgress {
  readonly layers: ChunkKv[];
  /** Place of the tier that is being read. */
  depth: number;
  /** What that tier knows of the record; undefined where it did not say. */
  info: Promise<RecordInfo | undefined>;
  /** Milliseconds of waiting for layers. */
  waitedMs: number;
}

export function noLayers(): LayersProgress {
  return { layers: [], depth: 0, info: Promise.resolve(undefined), waitedMs: 0 };
}

/**
 * Reads layers from the first tier that has them; where one breaks off, the next goes on. Returns why there are
 * none, or undefined when all were read.
 * @throws StoreError when none can go on.
 */
export async function* readLayers(
  tiers: readonly Tier[],
  key: string,
  options: GetLayersOptions,
  progress: LayersProgress,
): AsyncGenerator<ChunkKv, MissReason | undefined> {
  const { layers } = progress;
  let reason: MissReason = 'absent';
  let problem = 'it ends too soon';
  for (const [depth, tier] of tiers.entries()) {
    const count = layers.length;
    const reading = layersOf(tier, key, restOf(options, layers.at(-1)));
    try {
      for (;;) {
        const start = performance.now();
        const step = await reading.next();
        progress.waitedMs += performance.now() - start;
        if (step.done) {
          if (step.value.ok && layers.length > count) return undefined;
          if (step.value.ok) break;
          if (reason === 'absent') reason = step.value.reason;
          problem = step.value.problem;
          break;
        }
        if (layers.length === count) {
          progress.depth = depth;
          progress.info = tier.info(key);
        }
        layers.push(step.value);
        yield step.value;
      }
    } finally {
      await reading.return(wholeEnd);
    }
  }
  if (layers.length === 0) return reason;
  throw new StoreError(
    `The record ${key} broke off after ${layers.length} layers: ${problem}. Compute it again.`,
  );
}

type TierEnd =
  | { readonly ok: true; readonly value: undefined }
  | { readonly ok: false; readonly reason: MissReason; readonly problem: string };

const wholeEnd: TierEnd = { ok: true, value: undefined };

async function* layersOf(
  tier: Tier,
  key: string,
  options: GetLayersOptions,
): AsyncGenerator<ChunkKv, TierEnd> {
  const { signal, worth } = options;
  const pending = tier.pending(key);
  if (pending === 'none') return wholeEnd;
  if (pending) {
    yield* recordLayers(pending.kv, options.layers);
    return wholeEnd;
  }
  if (!tier.payoff.pays(worth)) {
    return { ok: false, reason: 'not-worth-it', problem: 'reading it does not pay' };
  }
  const controller = new AbortController();
  const reading = tier.store.getLayers(key, { ...options, signal: controller.signal });
  const layers = reading[Symbol.asyncIterator]();
  let bytes = 0;
  let waitedMs = 0;
  const begin = performance.now();
  let isOver = false;
  try {
    for (;;) {
      const start = performance.now();
      const outcome: Outcome<IteratorResult<ChunkKv, unknown>> = await tier.ask(
        () => layers.next(),
        signal,
      );
      waitedMs += performance.now() - start;
      if (!outcome.ok) return outcome;
      if (outcome.value.done) {
        isOver = true;
        break;
      }
      bytes += outcome.value.value.data.byteLength;
      yield outcome.value.value;
    }
  } finally {
    if (!isOver) {
      controller.abort(signal?.reason);
      // Not waited for: it may hang where the tier does.
      layers.return?.()?.catch(() => {});
    }
  }
  // While the reader was busy the tier may have read on, which says less of how fast it is.
  const isTelling = waitedMs > 0.8 * (performance.now() - begin);
  if (bytes > 0 && isTelling) tier.payoff.loaded(bytes, waitedMs, worth);
  return wholeEnd;
}

/** What is left to read after a layer. */
function restOf(options: GetLayersOptions, last: ChunkKv | undefined): GetLayersOptions {
  if (!last) return options;
  const to = options.layers?.to ?? last.layout.layers;
  return { ...options, layers: { from: last.layers.to, to } };
}

/** The record that layers make up, where all that it holds were read. */
export async function joinLayers(
  layers: readonly ChunkKv[],
  info: RecordInfo | undefined,
): Promise<ChunkRecord | undefined> {
  const [first] = layers;
  const last = layers.at(-1);
  if (!first || !last || !info) return undefined;
  const { from, to } = info.layers;
  if (first.layers.from !== from || last.layers.to !== to || layers.length !== to - from) {
    return undefined;
  }
  const { fingerprint, layout, tokens } = first;
  if (info.tokens.length !== tokens.length) return undefined;
  const data = contiguous(layers) ?? (await runSteps(copied(layers)));
  const { computeMs, created, source, context, details } = info;
  return {
    kv: { fingerprint, layout, tokens, data, layers: { from, to } },
    computeMs,
    created,
    ...(source && { source }),
    ...(context && { context }),
    ...(details !== undefined && { details }),
  };
}

/** The layers' bytes as one view, where they lie one after another as it is. */
function contiguous(layers: readonly ChunkKv[]): Uint8Array | undefined {
  const [first] = layers as [ChunkKv];
  const { buffer, byteOffset } = first.data;
  let at = byteOffset;
  for (const { data } of layers) {
    if (data.buffer !== buffer || data.byteOffset !== at) return undefined;
    at += data.byteLength;
  }
  return new Uint8Array(buffer, byteOffset, at - byteOffset);
}

/** One copy, with pauses: an answer is on its way meanwhile. */
function* copied(layers: readonly ChunkKv[]): Steps<Uint8Array> {
  const bytes = layers.reduce((sum, { data }) => sum + data.byteLength, 0);
  const whole = new Uint8Array(bytes);
  let at = 0;
  for (const { data } of layers) {
    whole.set(data, at);
    at += data.byteLength;
    yield at / bytes;
  }
  return whole;
}
