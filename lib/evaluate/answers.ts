/** An answer's words as SQuAD compares them: lower case, without punctuation and articles; CJK by character. */
export function answerWords(text: string): string[] {
  return text
    .normalize('NFKC')
    .toLowerCase()
    .replaceAll(/[\p{P}\p{S}]/gu, ' ')
    .replaceAll(/\p{Script=Han}|\p{Script=Hiragana}|\p{Script=Katakana}/gu, ' $& ')
    .split(/\s+/u)
    .filter((word) => word !== '' && word !== 'a' && word !== 'an' && word !== 'the');
}

/** 1 where an answer has the same words as one of the gold answers, else 0 (SQuAD, arXiv 1606.05250). */
export function exactMatch(answer: string, golds: readonly string[]): number {
  const words = answerWords(answer).join(' ');
  return golds.some((gold) => answerWords(gold).join(' ') === words) ? 1 : 0;
}

/** Best F1 of shared words over the gold answers, in [0, 1] (SQuAD). */
export function answerF1(answer: string, golds: readonly string[]): number {
  const words = answerWords(answer);
  return Math.max(0, ...golds.map((gold) => wordF1(words, answerWords(gold))));
}

function wordF1(a: readonly string[], b: readonly string[]): number {
  if (a.length === 0 || b.length === 0) return a.length === b.length ? 1 : 0;
  const left = new Map<string, number>();
  for (const word of b) left.set(word, (left.get(word) ?? 0) + 1);
  let shared = 0;
  for (const word of a) {
    const count = left.get(word) ?? 0;
    if (count === 0) continue;
    left.set(word, count - 1);
    shared++;
  }
  return (2 * shared) / (a.length + b.length);
}

/** 1 minus the edit distance of two texts over the length of the longer one, by code points, in [0, 1]. */
export function editSimilarity(a: string, b: string): number {
  const [from, to] = [[...a], [...b]];
  const longest = Math.max(from.length, to.length);
  return longest === 0 ? 1 : 1 - editDistance(from, to) / longest;
}

/** Levenshtein's distance in one row of memory. */
function editDistance(a: readonly string[], b: readonly string[]): number {
  const row = Uint32Array.from({ length: b.length + 1 }, (_, i) => i);
  for (const [i, left] of a.entries()) {
    let diagonal = row[0] as number;
    row[0] = i + 1;
    for (const [j, right] of b.entries()) {
      const above = row[j + 1] as number;
      const cost = left === right ? 0 : 1;
      row[j + 1] = Math.min(diagonal + cost, above + 1, (row[j] as number) + 1);
      diagonal = above;
    }
  }
  return row[b.length] as number;
}
