import { InvalidArgumentError } from '../errors.js';

/** What runs the model elsewhere, and so what of a prompt it can reuse. */
export type RemoteServer =
  /** Caches prefixes by blocks. `salt` keeps the cache of one tenant from others (`cache_salt`). */
  | { readonly kind: 'vllm'; readonly salt?: string }
  /** vLLM with LMCache's in-process blending: reuses segments between separators, wherever they stand. */
  | {
      readonly kind: 'lmcache-blend';
      /** `LMCACHE_BLEND_SPECIAL_STR` of the server; default `" # # "`. */
      readonly separator?: string;
      readonly salt?: string;
    }
  /** Caches prefixes in a radix tree. */
  | { readonly kind: 'sglang' }
  /** Caches what a slot held last; with `--cache-reuse` also runs of tokens that moved forward. */
  | {
      readonly kind: 'llama.cpp';
      /** Slot that the request goes to; default the server's choice. */
      readonly slot?: number;
      /** Least tokens of a run to reuse by shifting it; default the server's setting. */
      readonly cacheReuse?: number;
    }
  /** A hosted API that caches prefixes from `minTokens` on. */
  | {
      readonly kind: 'hosted';
      /** `automatic` (default): the API finds prefixes itself. `explicit`: parts are marked with `cache_control`. */
      readonly breakpoints?: 'automatic' | 'explicit';
      /** Shorter prefixes are not cached; default 1,024 tokens. */
      readonly minTokens?: number;
      /** Most marks of a prompt; default 4. */
      readonly maxBreakpoints?: number;
      /** Sends prompts with the same key to the same cache (`prompt_cache_key`). */
      readonly cacheKey?: string;
    };

/** Fields of a request's body that make the server use its cache. @throws InvalidArgumentError */
export function cacheFields(server: RemoteServer): Readonly<Record<string, unknown>> {
  switch (server.kind) {
    case 'vllm':
    case 'lmcache-blend':
      return server.salt === undefined ? {} : { cache_salt: server.salt };
    case 'sglang':
      return {};
    case 'llama.cpp':
      return {
        cache_prompt: true,
        ...(server.slot !== undefined && { id_slot: whole('slot', server.slot) }),
        ...(server.cacheReuse !== undefined && {
          n_cache_reuse: whole('cacheReuse', server.cacheReuse),
        }),
      };
    case 'hosted':
      return server.cacheKey === undefined ? {} : { prompt_cache_key: server.cacheKey };
    default:
      throw new InvalidArgumentError(
        `There is no server of the kind ${JSON.stringify((server as { kind?: unknown }).kind)}. Use vllm, lmcache-blend, sglang, llama.cpp or hosted.`,
      );
  }
}

function whole(name: string, value: number): number {
  if (Number.isInteger(value) && value >= 0) return value;
  throw new InvalidArgumentError(`${name} must be a whole number of at least 0, not ${value}.`);
}
