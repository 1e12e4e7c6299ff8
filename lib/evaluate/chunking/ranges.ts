/** A stretch `[start, end)` of one text, in UTF-16 units. */
export interface Range {
  readonly start: number;
  readonly end: number;
}

/** A stretch of the text of one of several documents. Chunks are such. */
export interface TextSpan extends Range {
  readonly documentId: string;
}

/** How much text a stretch is; default its UTF-16 units. Must add up: `[a, c)` is `[a, b)` and `[b, c)`. */
export type Measure = (span: TextSpan) => number;

export const characters: Measure = ({ start, end }) => end - start;

/** Disjoint ranges in order that cover the same text. */
export function union(ranges: readonly Range[]): Range[] {
  const sorted = ranges
    .filter(({ start, end }) => end > start)
    .sort((a, b) => a.start - b.start || a.end - b.end);
  const merged: { start: number; end: number }[] = [];
  for (const { start, end } of sorted) {
    const last = merged.at(-1);
    if (last && start <= last.end) last.end = Math.max(last.end, end);
    else merged.push({ start, end });
  }
  return merged;
}

/** What two lists of disjoint ranges in order have in common. */
export function intersection(a: readonly Range[], b: readonly Range[]): Range[] {
  const common: Range[] = [];
  let i = 0;
  let j = 0;
  for (;;) {
    const x = a[i];
    const y = b[j];
    if (!x || !y) return common;
    const start = Math.max(x.start, y.start);
    const end = Math.min(x.end, y.end);
    if (start < end) common.push({ start, end });
    if (x.end < y.end) i++;
    else j++;
  }
}

/** Spans by their document, in the order in which the documents are first met. */
export function byDocument(spans: readonly TextSpan[]): Map<string, TextSpan[]> {
  const groups = new Map<string, TextSpan[]>();
  for (const span of spans) {
    const group = groups.get(span.documentId);
    if (group) group.push(span);
    else groups.set(span.documentId, [span]);
  }
  return groups;
}
