import type { Document } from '../document.js';

/**
 * A hash (SHA-256) of all of a document that its passages take from it, beside its id, by which it is told from what it was
 * before; undefined where metadata are no JSON and so cannot be compared.
 */
export async function contentOf({
  text,
  title,
  source,
  metadata,
}: Document): Promise<string | undefined> {
  let content: string;
  try {
    content = JSON.stringify([text, title, source, metadata]);
  } catch {
    return undefined;
  }
  const hash = await crypto.subtle.digest('SHA-256', new TextEncoder().encode(content));
  return Array.from(new Uint8Array(hash), (byte) => byte.toString(16).padStart(2, '0')).join('');
}
