import type { LayerPass } from '../../engine/pass.js';
import type { ChangeRequest, GroupAttention, LayerResult } from '../../engine/forward.js';
import type { Deviation, Narrowing, NarrowingView } from '../narrowing.js';
import { PolicyError } from '../policy-error.js';
import type { Rows } from './rows.js';

interface NarrowOptions {
  /** Number of the question's group. */
  readonly asking: number;
  readonly signal: AbortSignal | undefined;
  readonly change?: ChangeRequest | undefined;
}

/** Runs a pass up to a narrowing's layer and leaves out what it leaves out. Resolves to what was seen on the way. */
export async function narrow(
  policy: string,
  step: Narrowing,
  pass: LayerPass,
  rows: Rows,
  { asking, signal, change }: NarrowOptions,
): Promise<LayerResult> {
  const { layer, deviation = false, attention = false } = step;
  const below = [layer - 1];
  const seen = await pass.advance(layer, {
    ...(deviation && { deviation: below }),
    ...(attention && asking >= 0 && { attention: { layers: below, groups: [asking] } }),
    ...(change && { change }),
    ...(signal && { signal }),
  });
  const { live } = rows;
  const view: NarrowingView = {
    layer,
    live,
    ...(deviation && { deviation: deviationOf(seen, rows) }),
    ...(attention && { attention: attentionOf(seen.attention?.[0], rows) }),
  };
  let kept: readonly Int32Array[];
  try {
    kept = step.keep(view);
  } catch (error) {
    throw new PolicyError(policy, `failed at layer ${layer}: ${String(error)}`, { cause: error });
  }
  checkKept(policy, layer, kept, live);
  const dropped = rows.count;
  rows.keep(kept);
  if (rows.count === dropped) return seen;
  const appended = pass.rows.filter((row) => row >= rows.all);
  pass.keep(Int32Array.of(...rows.rows, ...appended));
  return seen;
}

function deviationOf({ deviation }: LayerResult, rows: Rows): Deviation {
  const list = (values: Float32Array | undefined): Float32Array[] =>
    rows.split((_row, _start, place) => values?.[place] ?? 0, Float32Array);
  return { keys: list(deviation?.keys), values: list(deviation?.values) };
}

function attentionOf(attention: GroupAttention | undefined, rows: Rows): Float32Array[] {
  const { byEntry = new Float32Array(0) } = attention ?? {};
  return rows.spans.map(({ start, end }) => byEntry.slice(start, end));
}

/** @throws PolicyError for tokens that are not computed any more, or named twice. */
function checkKept(
  policy: string,
  layer: number,
  kept: readonly Int32Array[],
  live: readonly Int32Array[],
): void {
  if (!Array.isArray(kept) || kept.length !== live.length) {
    throw new PolicyError(policy, `gave no list of ${live.length} passages at layer ${layer}.`);
  }
  for (const [passage, tokens] of kept.entries()) {
    const left = new Set(live[passage]);
    for (const token of tokens) {
      if (left.delete(token)) continue;
      throw new PolicyError(
        policy,
        `keeps token ${token} of passage ${passage} at layer ${layer}, which is not computed there any more, or named twice.`,
      );
    }
  }
}
