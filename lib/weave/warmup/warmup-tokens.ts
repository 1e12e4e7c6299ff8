import type { KvEngine } from '../../engine/engine.js';
import { ContextOverflowError } from '../../errors.js';
import type { PromptLayout } from '../../prompt.js';
import { type Warmup, kindOf } from './warmup.js';

/**
 * A warm-up text as it would stand in a prompt; undefined where there is none.
 * @throws InvalidArgumentError for what is no warm-up, ContextOverflowError for a text that leaves no room for passages.
 */
export async function warmupTokens(
  { model, tokenizer }: Pick<KvEngine, 'model' | 'tokenizer'>,
  layout: PromptLayout,
  warmup: Warmup,
): Promise<Int32Array | undefined> {
  if (kindOf(warmup) !== 'text') return undefined;
  const { text } = warmup as { readonly text: string };
  const tokens = layout.passage({ tokens: (await tokenizer.encode(text)).ids });
  const available = (model.contextLength - layout.prefix.length) >> 1;
  if (tokens.length <= available) return tokens;
  throw new ContextOverflowError(
    tokens.length,
    available,
    'The warm-up text must leave half of the context to passages. Give a shorter one.',
  );
}
