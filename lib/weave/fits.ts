import { layerBytes, type ChunkKv } from '../engine/chunk-kv.js';
import type { ModelInfo } from '../engine/model-info.js';

/** Whether KV from a store is whole, of this model, and of exactly these tokens. */
export function fitsTokens(kv: ChunkKv, model: ModelInfo, tokens: Int32Array): boolean {
  const { layout, layers } = kv;
  if (kv.fingerprint !== model.fingerprint) return false;
  if (layout.layers !== model.kv.layers || layout.type !== model.kv.type) return false;
  if (layout.keyWidth !== model.kv.keyWidth || layout.valueWidth !== model.kv.valueWidth) {
    return false;
  }
  if (layers.from !== 0 || layers.to !== layout.layers) return false;
  if (kv.data.byteLength !== layout.layers * layerBytes(layout, tokens.length)) return false;
  if (kv.tokens.length !== tokens.length) return false;
  for (let i = 0; i < tokens.length; i++) if (kv.tokens[i] !== tokens[i]) return false;
  return true;
}
