/** SHA-256, in hexadecimal, over everything that an answer depends on, each part by itself: plain data, fit for JSON. */
export async function keyOfParts(parts: readonly unknown[]): Promise<string> {
  const bytes = new TextEncoder().encode(JSON.stringify(parts));
  const hash = await globalThis.crypto.subtle.digest('SHA-256', bytes);
  return Array.from(new Uint8Array(hash), (byte) => byte.toString(16).padStart(2, '0')).join('');
}
