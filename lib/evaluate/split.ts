/**
 * Halves of a data set: `search` to choose settings on, `held-out` to report on. A case's half follows from its text
 * alone, so it stays where it is when others are added. FNV-1a over UTF-16 units.
 */
export function halfOf(text: string): 'search' | 'held-out' {
  let hash = 0x811c9dc5;
  for (let i = 0; i < text.length; i++) {
    hash = Math.imul(hash ^ text.charCodeAt(i), 0x01000193);
  }
  // The low bits of FNV alone are poor.
  return (((hash ^ (hash >>> 15)) >>> 0) & 1) === 0 ? 'search' : 'held-out';
}
