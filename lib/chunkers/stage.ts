import type { ChunkOptions } from './chunker.js';

/** Options for a part of a longer work: its progress is the part `[from, to]` of the whole. */
export function stage(
  { signal, onProgress }: ChunkOptions,
  from: number,
  to: number,
): ChunkOptions {
  return {
    ...(signal && { signal }),
    ...(onProgress && { onProgress: (share: number) => onProgress(from + share * (to - from)) }),
  };
}
