/** The beginning of the document and equal parts of the rest. */
export function excerptOf(text: string, shown: number): string {
  if (text.length <= shown) return text;
  const parts = 4;
  const length = Math.floor(shown / parts);
  return Array.from({ length: parts }, (_, i) => {
    const from = Math.floor((i / (parts - 1)) * (text.length - length));
    return text.slice(from, from + length).replace(/\p{Cs}/gu, '');
  }).join('\n[...]\n');
}
