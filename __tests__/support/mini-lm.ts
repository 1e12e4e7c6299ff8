import { existsSync, readFileSync } from 'node:fs';
import { join } from 'node:path';
import { readHalves } from '../../lib/engine/half.js';

export interface ReferenceSentence {
  readonly text: string;
  readonly tokenIds: readonly number[];
  readonly vector: Float32Array;
}

/** Sentences with token ids and vectors of all-MiniLM-L6-v2 from a plain fp32 forward pass. */
export function miniLmReference(): readonly ReferenceSentence[] {
  const file = readFileSync(join(import.meta.dirname, 'mini-lm-reference.json'), 'utf8');
  const { sentences } = JSON.parse(file) as {
    sentences: readonly { text: string; tokenIds: number[]; vector: string }[];
  };
  return sentences.map(({ vector, ...sentence }) => ({
    ...sentence,
    vector: readHalves(Buffer.from(vector, 'base64')),
  }));
}

/** The model's file in f16, which the set-up of the tests has fetched; undefined where it could not be had. */
export function miniLm(): string | undefined {
  const path = process.env['CHUNKWEAVE_TEST_EMBEDDER'];
  return path && existsSync(path) ? path : undefined;
}
