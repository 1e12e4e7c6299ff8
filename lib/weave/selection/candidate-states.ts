import type { Chunk } from '../../document.js';
import { hybridPolicy } from '../../reuse/policies/hybrid.js';
import type { RecomputePolicy } from '../../reuse/policy.js';
import { type ChunkState, millisecondsCost } from '../../select/costs/milliseconds.js';
import type { SetCost } from '../../select/selector.js';
import type { WeaveKit } from '../kit.js';
import type { Wanted } from '../kv-library.js';

/** What is cached of candidates now, and where: taken once a question, so that every set is held against the same. */
export async function candidateStates(
  { wanted, encodings, library }: Pick<WeaveKit, 'wanted' | 'encodings' | 'library'>,
  chunks: readonly Chunk[],
  signal: AbortSignal | undefined,
): Promise<Map<string, ChunkState>> {
  const states = new Map<string, ChunkState>();
  const places = chunks.map((chunk) => ({ chunk, first: false }));
  const asked = await encodings.at(places, signal);
  const look = async (chunk: Chunk, i: number): Promise<void> => {
    const { tokens } = await wanted.of(chunk);
    const cached = await library.where(asked[i] as Wanted);
    states.set(chunk.id, { tokens: tokens.length, ...(cached && { cached }) });
  };
  await Promise.all(chunks.map(look));
  signal?.throwIfAborted();
  return states;
}

/** {@link millisecondsCost} of a weave's prompts. */
export function weaveMilliseconds(
  { costs, prefix, refreshShares }: Pick<WeaveKit, 'costs' | 'prefix' | 'refreshShares'>,
  chunks: ReadonlyMap<string, ChunkState>,
  questionTokens: number,
  policy: RecomputePolicy = hybridPolicy(),
): SetCost {
  const refreshShare = refreshShares.of(policy.name);
  return millisecondsCost({
    costs,
    chunks,
    prefixTokens: prefix.length,
    questionTokens,
    ...(refreshShare !== undefined && { refreshShare }),
  });
}
