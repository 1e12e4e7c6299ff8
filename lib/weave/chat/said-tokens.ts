import type { DecodeResult } from '../../engine/decode.js';
import type { Tokenizer } from '../../engine/tokenizer.js';

/**
 * The tokens of an answer that stay in a conversation: those that were generated, without the stop string that ended it.
 * Where that begins within a token, what stands before it there is tokenised anew.
 */
export async function saidTokens(
  tokenizer: Tokenizer,
  { tokens, text, finishReason }: DecodeResult,
): Promise<Int32Array> {
  if (finishReason !== 'stop-string') return tokens;
  // Bytes that were no character cannot be counted any more.
  if (text.includes('\uFFFD')) return (await tokenizer.encode(text)).ids;
  const bytes = new TextEncoder().encode(text);
  let count = 0;
  let length = 0;
  for (; count < tokens.length; count++) {
    const next = length + tokenizer.bytes(tokens[count] as number).length;
    if (next > bytes.length) break;
    length = next;
  }
  if (length === bytes.length) return tokens.slice(0, count);
  // Back to where a character begins, if the token broke one.
  while (count > 0 && isContinuation(bytes[length])) {
    length -= tokenizer.bytes(tokens[--count] as number).length;
  }
  const rest = await tokenizer.encode(new TextDecoder().decode(bytes.subarray(length)));
  return Int32Array.of(...tokens.subarray(0, count), ...rest.ids);
}

function isContinuation(byte = 0): boolean {
  return (byte & 0xc0) === 0x80;
}
