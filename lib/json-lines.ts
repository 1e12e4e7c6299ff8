/** A line of JSON Lines that is not blank: its value, or why it is none. */
export type JsonLine =
  | { readonly line: number; readonly value: unknown; readonly problem?: undefined }
  | { readonly line: number; readonly problem: string };

/** The lines of a text, from 1, each parsed for itself. */
export function* jsonLines(text: string): Generator<JsonLine> {
  let line = 0;
  // Not by a split, which would hold all lines of a large file at once.
  for (let from = 0; from < text.length;) {
    const found = text.indexOf('\n', from);
    const end = found < 0 ? text.length : found;
    const part = text.slice(from, end);
    from = end + 1;
    line++;
    if (part.trim() === '') continue;
    const parsed = parseJson(part);
    yield 'problem' in parsed ? { line, problem: parsed.problem } : { line, value: parsed.value };
  }
}

/** A text's value, or why it is no JSON. */
export function parseJson(
  text: string,
): { readonly value: unknown } | { readonly problem: string } {
  try {
    return { value: JSON.parse(text) };
  } catch (error) {
    return { problem: `it is no JSON (${error instanceof Error ? error.message : String(error)})` };
  }
}
