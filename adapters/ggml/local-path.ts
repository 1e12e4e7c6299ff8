import { stat } from 'node:fs/promises';

export interface ModelChoice {
  /** A model file, or any source that `resolveModel` of `chunkweave/models` takes. */
  readonly model: string;
  readonly signal?: AbortSignal | undefined;
  /** What is done of a download and of loading, each as a share in [0, 1]. */
  readonly onProgress?: ((step: { phase: 'download' | 'load'; share: number }) => void) | undefined;
}

/** The model's file, fetched where it is not there. @throws ModelSourceError */
export async function localPath({ model, signal, onProgress }: ModelChoice): Promise<string> {
  if (await isFile(model)) return model;
  const { resolveModel } = await import('../models/index.js');
  const resolved = await resolveModel(model, {
    ...(signal && { signal }),
    ...(onProgress && {
      onProgress: ({ bytes, total }: { bytes: number; total?: number | undefined }) =>
        onProgress({ phase: 'download', share: total ? bytes / total : 0 }),
    }),
  });
  return resolved.path;
}

async function isFile(path: string): Promise<boolean> {
  try {
    return (await stat(path)).isFile();
  } catch {
    return false;
  }
}
