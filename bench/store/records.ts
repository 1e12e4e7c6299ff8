import type { ChunkRecord } from '../../lib/index.js';

/** SmolLM2's shape: 23,040 bytes a token. */
const layout = { layers: 30, keyWidth: 192, valueWidth: 192, type: 'f16' } as const;

/** A record whose data are about `bytes` long, different for each seed. */
export function recordOf(bytes: number, seed: number): ChunkRecord {
  const perToken = layout.layers * (layout.keyWidth + layout.valueWidth) * 2;
  const tokens = Math.max(1, Math.round(bytes / perToken));
  const data = new Uint8Array(tokens * perToken);
  const words = new Uint32Array(data.buffer);
  let state = seed * 2654435761 + 1;
  for (let i = 0; i < words.length; i++) {
    state = (Math.imul(state, 1664525) + 1013904223) >>> 0;
    // Finite half-precision numbers of any size.
    words[i] = state & 0x3fff3fff;
  }
  return {
    kv: {
      fingerprint: 'bench',
      layout,
      tokens: Int32Array.from({ length: tokens }, (_, i) => (seed + i) % 40_000),
      data,
      layers: { from: 0, to: layout.layers },
    },
    computeMs: tokens * 3,
    created: 1_700_000_000_000,
  };
}

/** A key for each number. */
export function keyOf(number: number): string {
  // Spread over the first digits, as hashes are.
  const head = (Math.imul(number + 1, 2654435761) >>> 0).toString(16).padStart(8, '0');
  return head + number.toString(16).padStart(56, '0');
}
