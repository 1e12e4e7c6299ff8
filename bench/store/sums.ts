import { createHash } from 'node:crypto';
import { createBLAKE3, createCRC32, createXXHash3, type IHasher } from 'hash-wasm';
import { BlockTags, isUsable, newSalt, sumOf } from '../../adapters/record/block-sums.js';
import { interleave, median, round } from '../harness.js';
import type { StoreBench } from './part.js';

type Work = (bytes: Uint8Array) => unknown;

/** A key is of the tokens of a passage: 250 of 4 bytes. Of long texts, the rate. */
const KEY_BYTES = { passage: 1000, long: 2 ** 20 };
/** A layer of a passage: the smallest that a record may have, one of SmolLM2, of an 8B model. */
const BLOCK_BYTES = { '4KB': 2 ** 12, '64KB': 2 ** 16, '192KB': 192_000, '1MB': 2 ** 20 };
/** The polynomial of CRC-32C, lowest bit first. */
const CASTAGNOLI = 0x82f63b78;
/** In one timing. */
const BYTES_A_RUN = 32 * 2 ** 20;

/** What names a chunk and what guards its bytes, against what could have: in one run, in GB/s and microseconds. */
export const sums: StoreBench = async ({ options, outcome: { figures }, skip }) => {
  const measure = async (group: string, works: Record<string, Work>, bytes: Uint8Array) => {
    const calls = Math.max(1, Math.min(20_000, Math.round(BYTES_A_RUN / bytes.byteLength)));
    const sides = Object.fromEntries(
      Object.entries(works).map(([name, work]) => [
        name,
        async () => {
          const start = performance.now();
          // What answers at once is not waited for: waiting takes longer than a small sum.
          for (let i = 0; i < calls; i++) {
            const made = work(bytes);
            if (made instanceof Promise) await made;
          }
          return performance.now() - start;
        },
      ]),
    );
    const times = await interleave(Math.max(3, options.repeat), sides);
    for (const [name, values] of Object.entries(times)) {
      const ms = median(values) / calls;
      figures[`${group}.${name}.us`] = round(1000 * ms);
      figures[`${group}.${name}.GBps`] = round(bytes.byteLength / 1e6 / ms);
    }
  };

  const hashes = { ...hashesHere(), 'blake3.wasm': ofHasher(await createBLAKE3()) };
  for (const [name, length] of Object.entries(KEY_BYTES)) {
    await measure(`hash.${name}`, hashes, someBytes(length));
  }

  const guards: Record<string, Work> = {
    crc32: (bytes) => sumOf(bytes, 'crc32'),
    'xxh3.wasm': ofHasher(await createXXHash3()),
    'crc32c.wasm': ofHasher(await createCRC32(CASTAGNOLI)),
    sha256: (bytes) => createHash('sha256').update(bytes).digest(),
  };
  if (isUsable('poly1305')) {
    const tags = new BlockTags('a key of at least sixteen bytes', newSalt(), 'poly1305');
    guards['poly1305'] = (bytes) => sumOf(bytes, 'poly1305');
    guards['poly1305.signed'] = (bytes) => tags.of(bytes, 0);
  } else skip('sum.*.poly1305: node:crypto has no ChaCha20-Poly1305 here');
  for (const [name, length] of Object.entries(BLOCK_BYTES)) {
    await measure(`sum.${name}`, guards, someBytes(length));
  }
};

/** Those that are collision-resistant, of at least 256 bits. The first is what keys are made with. */
function hashesHere(): Record<string, Work> {
  const hashes: Record<string, Work> = {
    'sha256.webcrypto': (bytes) => globalThis.crypto.subtle.digest('SHA-256', bytes),
  };
  for (const name of ['sha256', 'sha512-256', 'sha3-256', 'blake2s256', 'blake2b512']) {
    try {
      createHash(name);
      hashes[name] = (bytes) => createHash(name).update(bytes).digest();
    } catch {
      // Not all builds of OpenSSL have all of them.
    }
  }
  return hashes;
}

function ofHasher(hasher: IHasher): Work {
  return (bytes) => hasher.init().update(bytes).digest('binary');
}

function someBytes(length: number): Uint8Array<ArrayBuffer> {
  return Uint8Array.from({ length }, (_, i) => (Math.imul(i + 1, 2654435761) >>> 13) & 0xff);
}
