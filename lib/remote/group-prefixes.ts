import type { PlacedPassage } from './prefix-history.js';
import { PrefixHistory } from './prefix-history.js';

export interface GroupedRequest {
  /** Number of the request in the batch. */
  readonly request: number;
  /** Numbers of its passages, in the order of the prompt. */
  readonly order: readonly number[];
}

export interface PrefixGroups {
  /** In the order in which to send them: requests with a common beginning follow each other. */
  readonly requests: readonly GroupedRequest[];
  /** Length of all passages as often as they are sent. */
  readonly length: number;
  /** Length of what a server that caches every beginning has to compute. */
  readonly computedLength: number;
}

/**
 * Orders the passages of requests that are known in advance, and the requests, so that beginnings are shared (after global
 * prefix identification in BatchLLM, Zheng et al. 2024, arXiv 2412.03594): the passage that saves most when it stands first in
 * all requests that have it does, then the same within and without that group. Greedy; never worse than the order given.
 *
 * @throws InvalidArgumentError for a request with two passages of one id, a length that is no number of at least 0, or more
 * than 1,000 passages.
 */
export function groupPrefixes(batch: readonly (readonly PlacedPassage[])[]): PrefixGroups {
  // Checks each request.
  for (const passages of batch) new PrefixHistory().order(passages);
  const given = batch.map((passages, request) => ({ request, order: passages.map((_, i) => i) }));
  const greedy: { request: number; order: number[] }[] = [];
  group(
    batch.map((passages, request) => ({
      request,
      prefix: [],
      rest: new Map(passages.map(({ id }, i) => [id, i])),
    })),
    batch,
    greedy,
  );
  const [before, after] = [computedLength(given, batch), computedLength(greedy, batch)];
  const length = batch.flat().reduce((sum, passage) => sum + passage.length, 0);
  return after <= before
    ? { requests: greedy, length, computedLength: after }
    : { requests: given, length, computedLength: before };
}

interface Open {
  readonly request: number;
  readonly prefix: readonly number[];
  /** Passages without a place, by id. */
  readonly rest: ReadonlyMap<string, number>;
}

function group(
  open: readonly Open[],
  batch: readonly (readonly PlacedPassage[])[],
  done: { request: number; order: number[] }[],
): void {
  let left = open;
  for (;;) {
    const leader = bestLeader(left, batch);
    if (leader === undefined) break;
    const members = left.filter(({ rest }) => rest.has(leader));
    left = left.filter(({ rest }) => !rest.has(leader));
    const inside = members.map(({ request, prefix, rest }) => {
      const others = new Map(rest);
      others.delete(leader);
      return { request, prefix: [...prefix, rest.get(leader) as number], rest: others };
    });
    group(inside, batch, done);
  }
  for (const { request, prefix, rest } of left) {
    done.push({ request, order: [...prefix, ...rest.values()] });
  }
}

/** The passage of two requests or more that saves most; undefined where none saves anything. */
function bestLeader(
  open: readonly Open[],
  batch: readonly (readonly PlacedPassage[])[],
): string | undefined {
  const savings = new Map<string, number>();
  const seen = new Set<string>();
  for (const { request, rest } of open) {
    for (const [id, i] of rest) {
      const length = batch[request]?.[i]?.length ?? 0;
      savings.set(id, (savings.get(id) ?? 0) + (seen.has(id) ? length : 0));
      seen.add(id);
    }
  }
  let best: string | undefined;
  let most = 0;
  for (const [id, saved] of savings) {
    if (saved > most || (saved === most && best !== undefined && id < best)) {
      best = id;
      most = saved;
    }
  }
  return best;
}

function computedLength(
  requests: readonly GroupedRequest[],
  batch: readonly (readonly PlacedPassage[])[],
): number {
  const history = new PrefixHistory({ window: Math.max(1, requests.length) });
  let computed = 0;
  for (const { request, order } of requests) {
    const passages = order.map((i) => batch[request]?.[i] as PlacedPassage);
    const ids = passages.map(({ id }) => id);
    for (const { length } of passages.slice(history.sharedWith(ids))) computed += length;
    history.record(ids);
  }
  return computed;
}
