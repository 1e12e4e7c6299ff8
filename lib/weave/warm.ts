import type { Chunk } from '../document.js';
import { kvBytesPerToken } from '../engine/model-info.js';
import { InvalidArgumentError } from '../errors.js';
import type { StoreStats } from '../store/store-stats.js';
import type { WeaveKit } from './kit.js';
import type { KvBudget, WarmOptions, WarmReport } from './options.js';
import type { SinglePass } from './single-pass/single-pass.js';
import { WarmPassages } from './warm-passages.js';
import { type WarmLimits, WarmTally } from './warm-tally.js';
import { WarmNeighbours } from './warmup/warm-neighbours.js';
import { inSegments, WarmSegments } from './warmup/warm-segments.js';

/** Bytes of a record that are not KV, for each of its tokens: ids, sums, notes. */
const aroundPerToken = 32;

/**
 * Makes chunk KV that is not there yet, what comes first in the order given first, until the budget is used up:
 * passages one by one, alone or after their neighbours, or the segments of documents that hold them.
 */
export async function warmChunks(
  kit: WeaveKit,
  chunks: readonly Chunk[],
  { budget, onProgress }: WarmOptions,
  signal: AbortSignal,
): Promise<WarmReport> {
  const { writer, prefix, encodings, segments: maker } = kit;
  const limits = await limitsOf(kit, budget);
  const tally = new WarmTally(limits, kvBytesPerToken(kit.engine.model.kv), onProgress);
  const refused = writer.refused;
  const missing = kit.pass ? await notPassed(kit, kit.pass, chunks) : chunks;
  tally.cached += chunks.length - missing.length;
  if (missing.length > 0 && limits.milliseconds > 0 && limits.bytes > 0) {
    // Computing the prefix is needed anyway and measures the speed.
    await prefix.use(signal);
    const { plans, neighbours } = encodings;
    if (neighbours) {
      const parts = { neighbours, maker: kit.neighbours };
      await new WarmNeighbours(kit, parts, missing, tally, signal).run();
    } else {
      const { segments, loose } = plans
        ? await inSegments(plans, missing, signal)
        : { segments: [], loose: missing };
      await new WarmSegments(maker, segments, tally, signal).run();
      await new WarmPassages(kit, loose, tally, signal).run();
    }
    await writer.idle();
  }
  return tally.report(chunks.length, writer.refused - refused);
}

/** Whether KV may have to be made: always, but where passes have left that of all chunks in the store. */
export async function isAnyMissing(kit: WeaveKit, chunks: readonly Chunk[]): Promise<boolean> {
  if (!kit.pass) return true;
  for (const chunk of chunks) if (!(await isPassed(kit, kit.pass, chunk))) return true;
  return false;
}

/** Those whose KV no pass left in the store. */
async function notPassed(
  kit: WeaveKit,
  pass: SinglePass,
  chunks: readonly Chunk[],
): Promise<Chunk[]> {
  const missing: Chunk[] = [];
  for (const chunk of chunks) if (!(await isPassed(kit, pass, chunk))) missing.push(chunk);
  return missing;
}

async function isPassed({ library }: WeaveKit, pass: SinglePass, chunk: Chunk): Promise<boolean> {
  const key = await pass.find(chunk);
  return key !== undefined && (await library.has(key));
}

/** @throws InvalidArgumentError for a bound that is no number of at least 0. */
export function checkBudget(budget: KvBudget = {}): void {
  for (const [name, value] of Object.entries(budget)) {
    if (value === undefined || (typeof value === 'number' && value >= 0)) continue;
    throw new InvalidArgumentError(
      `budget.${name} is ${String(value)}; give a number of at least 0.`,
    );
  }
}

async function limitsOf(kit: WeaveKit, budget: KvBudget = {}): Promise<WarmLimits> {
  const perToken = kvBytesPerToken(kit.engine.model.kv);
  const share = perToken / (perToken + aroundPerToken);
  const { milliseconds = 10_000, bytes = share * boundOf(await kit.store.stats()) } = budget;
  return { milliseconds, bytes };
}

/** Bytes that a store can hold without letting go of what it was just given: of several, what the largest holds. */
function boundOf({ maxBytes, tiers = [] }: StoreStats): number {
  return tiers.length > 0 ? Math.max(...tiers.map(boundOf)) : maxBytes;
}
