/** Tokens of one request, as the server counts them. */
export interface RemoteUsage {
  readonly prompt: number;
  /** Of the prompt, what was read from the server's cache; absent where it does not say. */
  readonly cached?: number;
  /** Of the prompt, what was written to a cache that is paid for. */
  readonly written?: number;
  readonly generated: number;
}

type Fields = Readonly<Record<string, unknown>>;

/**
 * Reads the usage of a response's body: `usage` of OpenAI-compatible servers with `prompt_tokens_details.cached_tokens`, or
 * the fields of other APIs that stand for it (`prompt_cache_hit_tokens`, `cache_read_input_tokens`), and `timings` or `tokens_cached`
 * of llama.cpp's server. Undefined where the body tells no tokens.
 */
export function readUsage(body: unknown): RemoteUsage | undefined {
  const whole = fieldsOf(body);
  const usage = fieldsOf(whole['usage']);
  const timings = fieldsOf(whole['timings']);
  const details = fieldsOf(usage['prompt_tokens_details']);
  const cacheN = count(timings['cache_n']);
  const promptN = count(timings['prompt_n']);
  const prompt =
    count(usage['prompt_tokens']) ??
    (promptN === undefined ? undefined : promptN + (cacheN ?? 0)) ??
    count(whole['tokens_evaluated']);
  if (prompt === undefined) return undefined;
  const cached =
    count(details['cached_tokens']) ??
    count(usage['prompt_cache_hit_tokens']) ??
    count(usage['cache_read_input_tokens']) ??
    cacheN ??
    // What was not computed now; older servers say only that.
    (promptN === undefined ? count(whole['tokens_cached']) : prompt - promptN);
  const written =
    count(details['cache_write_tokens']) ?? count(usage['cache_creation_input_tokens']);
  const generated =
    count(usage['completion_tokens']) ??
    count(timings['predicted_n']) ??
    count(whole['tokens_predicted']);
  return {
    prompt,
    ...(cached !== undefined && { cached: Math.min(Math.max(0, cached), prompt) }),
    ...(written !== undefined && { written: Math.min(written, prompt) }),
    generated: generated ?? 0,
  };
}

function fieldsOf(value: unknown): Fields {
  return typeof value === 'object' && value !== null ? (value as Fields) : {};
}

function count(value: unknown): number | undefined {
  return typeof value === 'number' && value >= 0 && value < Infinity ? value : undefined;
}
