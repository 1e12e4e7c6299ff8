import { basename } from 'node:path';
import { DisposedError } from '../../lib/errors.js';
import type { ModelInfo } from '../../lib/engine/model-info.js';
import { describeArchitecture } from './architectures.js';
import type { Backend } from './backend.js';
import { ComputeQueue } from './compute-queue.js';
import { modelFingerprint } from './fingerprint.js';
import { readGguf } from './gguf.js';
import { Allocator } from './graph.js';
import type { Hyperparameters } from './hyperparameters.js';
import type { LoadedModel } from './model.js';
import { HostEmbedding } from './host-embedding.js';
import { loadWeights, supportsEmbedding, type Weights } from './weights.js';

export interface LoadModelOptions {
  readonly path: string;
  readonly backend: Backend;
  readonly signal?: AbortSignal | undefined;
  /** Share of the weights that is loaded, in [0, 1]. */
  readonly onProgress?: ((share: number) => void) | undefined;
  /** Look embeddings up on the CPU; default only where the device cannot. */
  readonly embedOnHost?: boolean | undefined;
  /** Where hashes of model files are remembered. */
  readonly hashCache?: string | undefined;
  /** Layers in one compute; default all of them on the CPU, whose computes can be aborted, and 8 elsewhere. */
  readonly layersPerCompute?: number | undefined;
}

/** Layers in one compute on devices whose computes cannot be aborted. */
const GPU_LAYERS = 8;

/** Reads a model file's header and weights. */
export async function loadModel(
  options: LoadModelOptions,
): Promise<LoadedModel & { dispose(): Promise<void> }> {
  const { backend, path, signal } = options;
  const header = await readGguf(path);
  const { architecture, hyperparameters: hp, values } = describeArchitecture(header);
  signal?.throwIfAborted();
  const fingerprint = await modelFingerprint(path, { cacheFile: options.hashCache, signal });
  const parts = { header, architecture, hyperparameters: hp, signal };
  const onHost =
    options.embedOnHost ??
    (!backend.isCpu && !supportsEmbedding(backend, header, architecture, hp));
  const weights = await loadWeights({
    ...parts,
    backend,
    embedding: onHost ? 'host' : 'device',
    onProgress: options.onProgress,
  });
  let host: HostEmbedding | undefined;
  try {
    if (onHost) host = await HostEmbedding.load(backend.runtime, parts);
  } catch (error) {
    weights.dispose();
    throw error;
  }
  const info = describe(hp, weights, {
    name: values.string('general.name') ?? basename(path, '.gguf'),
    architecture: architecture.name,
    fingerprint,
  });
  const queue = new ComputeQueue();
  const scratch = new Allocator(backend);
  let disposed: Promise<void> | undefined;
  return {
    architecture,
    hp,
    weights,
    info,
    chatTemplate: values.string('tokenizer.chat_template'),
    backend,
    queue,
    scratch,
    embed: host?.lookUp.bind(host),
    layersPerCompute: options.layersPerCompute ?? (backend.isCpu ? hp.layers : GPU_LAYERS),
    assertUsable() {
      if (disposed) throw new DisposedError('engine');
    },
    dispose() {
      disposed ??= queue.run(async () => {
        host?.dispose();
        scratch.dispose();
        weights.dispose();
      });
      return disposed;
    },
  };
}

function describe(
  hp: Hyperparameters,
  weights: Weights,
  names: { name: string; architecture: string; fingerprint: string },
): ModelInfo {
  return {
    ...names,
    layers: hp.layers,
    width: hp.width,
    heads: hp.heads,
    kvHeads: hp.kvHeads,
    vocabSize: hp.vocabSize,
    contextLength: hp.contextLength,
    kv: {
      layers: hp.layers,
      keyWidth: hp.kvHeads * hp.headDim,
      valueWidth: hp.kvHeads * hp.headDim,
      type: 'f16',
    },
    probeLayers: probeLayers(hp),
    slidingWindow: hp.window,
    parameters: weights.parameters,
    notes: hp.notes,
  };
}

/**
 * Full-attention layers from the middle to five sixths of the depth, where a question's attention says best what its answer
 * needs; the nearest ones where there are none.
 */
function probeLayers(hp: Hyperparameters): number[] {
  const full = [...Array(hp.layers).keys()].filter((layer) => !hp.slidingLayers[layer]);
  const candidates = full.length > 0 ? full : [...Array(hp.layers).keys()];
  const from = Math.floor(hp.layers / 2);
  const to = Math.max(from + 1, Math.floor((5 * hp.layers) / 6));
  const middle = candidates.filter((layer) => layer >= from && layer < to);
  if (middle.length > 0) return middle;
  const centre = (from + to) / 2;
  return [candidates.reduce((a, b) => (Math.abs(b - centre) < Math.abs(a - centre) ? b : a))];
}
