import type { Runtime } from './native/runtime.js';
import type { VocabularyFacts } from './vocabulary.js';

/** What libllama cannot do with a text. */
export interface SpellingLimits {
  /** Most UTF-16 units without a change between white space and other characters. */
  readonly run: number;
  /** Characters that no tokens stand for. */
  readonly unspellable: RegExp | undefined;
}

export function spellingLimits(
  { koffi }: Pick<Runtime, 'koffi'>,
  facts: Pick<VocabularyFacts, 'kind' | 'pre' | 'byteTokens'>,
): SpellingLimits {
  return {
    run: longestRun(facts, koffi.config().async_stack_size ?? 0),
    unspellable: unspellable(facts.byteTokens),
  };
}

/** Pre-tokenizers that libllama has loops for. */
const loops = new Set(
  (
    'gpt-2 phi-2 jina-es jina-de gigachat jina-v2-es jina-v2-de a.x-4.0 mellum modern-bert exaone4 olmo jais mpt ' +
    'trillion granite-docling starcoder refact command-r smollm codeshell exaone minerva-7b mellum2 ' +
    'llama3 llama-v3 llama-bpe falcon3 falcon-h1 pixtral midm-2.0 lfm2 dbrx smaug-bpe glm4 chatglm-bpe ' +
    'qwen2 deepseek-r1-qwen kormo f2llmv2 megrez stablelm2 hunyuan solar-open grok-2 qwen35 kimi-k2'
  ).split(' '),
);
/**
 * The other pre-tokenizers run on std::regex, which calls itself for each character that it matches: 381
 * bytes of stack on Linux, and native code runs on a stack of koffi's. A match may span three runs.
 */
const STACK_A_UNIT = 2048;
/** Microsoft's std::regex gives up after some hundreds of nested calls. */
const WINDOWS_RUN = 200;

function longestRun({ kind, pre }: Pick<VocabularyFacts, 'kind' | 'pre'>, stack: number): number {
  if (kind === 'spm' || loops.has(pre)) return Number.POSITIVE_INFINITY;
  const fits = Math.max(16, Math.floor(stack / STACK_A_UNIT));
  return process.platform === 'win32' ? Math.min(fits, WINDOWS_RUN) : fits;
}

/** Matches the characters whose first byte has no token; the bytes after it are known to have some. */
function unspellable(byteTokens: Int32Array): RegExp | undefined {
  const ranges: string[] = [];
  byteTokens.forEach((token, byte) => {
    const range = token < 0 ? charactersFrom(byte) : undefined;
    if (range) ranges.push(range.map((code) => `\\u{${code.toString(16)}}`).join('-'));
  });
  return ranges.length > 0 ? new RegExp(`[${ranges.join('')}]`, 'gu') : undefined;
}

/** First and last character whose UTF-8 begins with a byte; none for bytes that begin no character. */
function charactersFrom(byte: number): [number, number] | undefined {
  if (byte < 0x80) return [byte, byte];
  if (byte < 0xc2 || byte > 0xf4) return undefined;
  if (byte < 0xe0) return [(byte & 0x1f) << 6, ((byte & 0x1f) << 6) + 0x3f];
  if (byte < 0xf0) return [Math.max(0x800, (byte & 0xf) << 12), ((byte & 0xf) << 12) + 0xfff];
  return [Math.max(0x10000, (byte & 7) << 18), Math.min(0x10ffff, ((byte & 7) << 18) + 0x3ffff)];
}
