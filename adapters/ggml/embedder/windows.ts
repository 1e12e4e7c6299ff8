/**
 * Cuts a text's tokens into as few windows as hold them, all of about the same length, so that none is a small rest. A
 * text without tokens has one empty window.
 * @param room most tokens of a window.
 */
export function windowsOf(tokens: Int32Array, room: number): Int32Array[] {
  const count = Math.max(1, Math.ceil(tokens.length / room));
  return Array.from({ length: count }, (_, i) =>
    tokens.subarray(
      Math.round((i * tokens.length) / count),
      Math.round(((i + 1) * tokens.length) / count),
    ),
  );
}
