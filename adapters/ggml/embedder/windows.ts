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

/** Of the tokens before and after a passage as many as there is room for, the nearest, half of the room for each or what the other leaves. */
export function contextAround(
  before: Int32Array,
  after: Int32Array,
  room: number,
): { readonly before: Int32Array; readonly after: Int32Array } {
  const left = Math.min(before.length, Math.max(room >> 1, room - after.length));
  const right = Math.min(after.length, room - left);
  return { before: before.subarray(before.length - left), after: after.subarray(0, right) };
}
