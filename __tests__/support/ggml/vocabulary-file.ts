import { join } from 'node:path';
import { type GgufInput, writeGguf } from '../../../adapters/gguf/writer.js';
import {
  tinyVocabulary,
  type TinyVocabularyOptions,
} from '../../../adapters/ggml/tiny-model/vocabulary.js';
import { scratch } from '../native.js';

/** The parts of a vocabulary that tests change. */
export interface VocabularyParts {
  tokens: string[];
  kinds: number[];
  scores: number[];
  merges: string[];
}

let files = 0;

/** Writes a file that holds nothing but a vocabulary, a changed one, and returns its path. */
export async function vocabularyFile(
  options: TinyVocabularyOptions,
  change: (parts: VocabularyParts, values: Map<string, GgufInput>) => void = () => {},
): Promise<string> {
  const values = new Map<string, GgufInput>([
    ['general.architecture', 'llama'],
    ...tinyVocabulary(options).values,
  ]);
  const parts: VocabularyParts = {
    tokens: [...list<string>(values, 'tokens', 'strings')],
    kinds: [...list<number>(values, 'token_type', 'ints')],
    scores: [...list<number>(values, 'scores', 'floats')],
    merges: [...list<string>(values, 'merges', 'strings')],
  };
  change(parts, values);
  values.set('tokenizer.ggml.tokens', { strings: parts.tokens });
  values.set('tokenizer.ggml.token_type', { ints: parts.kinds });
  if (options.kind === 'spm') values.set('tokenizer.ggml.scores', { floats: parts.scores });
  else values.set('tokenizer.ggml.merges', { strings: parts.merges });
  const path = join(scratch, `vocabulary-${files++}.gguf`);
  await writeGguf(path, values, []);
  return path;
}

function list<T>(
  values: Map<string, GgufInput>,
  key: string,
  kind: string,
): ArrayLike<T> & Iterable<T> {
  const value = values.get(`tokenizer.ggml.${key}`) as Record<string, unknown> | undefined;
  return (value?.[kind] ?? []) as T[];
}
