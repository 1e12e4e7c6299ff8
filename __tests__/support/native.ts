import { mkdtempSync, rmSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { GgmlArena } from '../../adapters/ggml/arena.js';
import { Backend } from '../../adapters/ggml/backend.js';
import { loadModel } from '../../adapters/ggml/load-model.js';
import { loadRuntime, type Runtime } from '../../adapters/ggml/native/runtime.js';
import {
  openReference,
  type Reference,
  type ReferenceOptions,
} from '../../adapters/ggml/reference.js';
import { type TinyModelOptions, writeTinyModel } from '../../adapters/ggml/tiny-model/index.js';

/** A folder that goes when the process does. */
export const scratch = mkdtempSync(join(tmpdir(), 'chunkweave-test-'));
process.on('exit', () => rmSync(scratch, { recursive: true, force: true }));

export const runtime = (): Runtime => loadRuntime('base');

let files = 0;

/** Writes a random model and returns its path. */
export async function tinyFile(options: TinyModelOptions): Promise<string> {
  const path = join(scratch, `tiny-${files++}.gguf`);
  await writeTinyModel(runtime().ggml, path, options);
  return path;
}

/** Our compute on a model file, without tokenizer and sampler. */
export interface OwnCompute {
  readonly path: string;
  readonly arena: GgmlArena;
  readonly vocabSize: number;
  tokens(count: number, seed?: number): Int32Array;
  /** llama.cpp on the same file. */
  reference(options?: Partial<ReferenceOptions>): Promise<Reference>;
  dispose(): Promise<void>;
}

export async function compute(
  path: string,
  {
    cells = 2048,
    threads = 2,
    embedOnHost,
    layersPerCompute,
  }: { cells?: number; threads?: number; embedOnHost?: boolean; layersPerCompute?: number } = {},
): Promise<OwnCompute> {
  const loaded = runtime();
  const device = loaded.devices.find((pointer) => loaded.ggml.devName(pointer) === 'CPU');
  if (!device) throw new Error('no CPU device');
  const backend = new Backend(loaded, device, { threads });
  const model = await loadModel({
    path,
    backend,
    embedOnHost,
    layersPerCompute,
    hashCache: join(scratch, 'hashes.json'),
  });
  const arena = await GgmlArena.create(model, cells, () => {});
  const references: Reference[] = [];
  return {
    path,
    arena,
    vocabSize: model.info.vocabSize,
    tokens: (count, seed = 1) => someTokens(count, model.info.vocabSize, seed),
    async reference(options = {}) {
      const opened = await openReference(loaded, {
        path,
        contextLength: 2048,
        threads,
        ...options,
      });
      references.push(opened);
      return opened;
    },
    async dispose() {
      for (const opened of references) await opened.dispose();
      await arena.dispose();
      await model.dispose();
      backend.dispose();
    },
  };
}

/** Random ids from the upper part of the vocabulary, where no control tokens are. */
export function someTokens(count: number, vocabSize: number, seed = 1): Int32Array {
  let state = (seed * 2654435761) >>> 0 || 1;
  const low = Math.min(vocabSize >> 1, 300);
  return Int32Array.from({ length: count }, () => {
    state ^= state << 13;
    state ^= state >>> 17;
    state ^= state << 5;
    return low + ((state >>> 0) % (vocabSize - low));
  });
}
