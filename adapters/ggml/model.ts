import type { Backend } from './backend.js';
import type { ComputeQueue } from './compute-queue.js';
import type { Allocator } from './graph.js';
import type { ModelParts } from './transformer.js';
import type { ModelInfo } from '../../lib/engine/model-info.js';

/** A loaded model and what it is computed with, shared by the arenas of one engine. */
export interface LoadedModel extends ModelParts {
  readonly info: ModelInfo;
  /** The chat template in the file. */
  readonly chatTemplate: string | undefined;
  readonly backend: Backend;
  readonly queue: ComputeQueue;
  /** Memory of graphs that are computed once. */
  readonly scratch: Allocator;
  /** Looks embeddings up where the device cannot: `[tokens][width]`. */
  readonly embed: ((tokens: Int32Array) => Promise<Float32Array>) | undefined;
  /** Layers in one compute, where a running compute cannot be aborted; all of them on the CPU. */
  readonly layersPerCompute: number;
  /** @throws DisposedError */
  assertUsable(): void;
}

/** Rows in one compute: the unit in which callers take turns. */
export const PIECE_ROWS = 512;
/** Rows through the output head at once, when many are wanted: a row of logits is large. */
export const HEAD_ROWS = 64;
