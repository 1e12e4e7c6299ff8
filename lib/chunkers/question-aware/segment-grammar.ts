import type { ShownSentence, Window } from './window.js';

/** Sentences up to which a grammar is made: it has up to the square of their number of alternatives. */
const most = 150;
/** What of a sentence stands for it. */
const openingWords = 6;
const closingWords = 4;
const longest = 40;

/** The first words of a sentence, as they are in the text. */
export function openingOf(text: string): string {
  const line = text.split(/[\r\n\u2028\u2029]/u, 1)[0] ?? '';
  const parts = line.split(/(?<=\s)(?=\S)/u).slice(0, openingWords);
  while (parts.length > 1 && parts.join('').length > longest) parts.pop();
  return Array.from(parts.join('')).slice(0, longest).join('').trim();
}

/** The last words of a sentence, as they are in the text. */
export function closingOf(text: string): string {
  const line = text.split(/[\r\n\u2028\u2029]/u).at(-1) ?? '';
  const parts = line.split(/(?<=\s)(?=\S)/u).slice(-closingWords);
  while (parts.length > 1 && parts.join('').length > longest) parts.shift();
  return Array.from(parts.join('')).slice(-longest).join('').trim();
}

/**
 * GBNF of the segmentations of a window into passages of at most `maxTokens`: lines of the first words of a sentence and the
 * last words of it or of a later one, the next line beginning with the sentence behind, until the last. So whatever a
 * model says under it is a segmentation. Undefined where there are too many sentences, or characters that no grammar may have.
 */
export function segmentGrammar({ sentences }: Window, maxTokens: number): string | undefined {
  if (sentences.length === 0 || sentences.length > most) return undefined;
  const rules = ['root ::= p0'];
  for (const [i, sentence] of sentences.entries()) {
    const opening = literal(openingOf(sentence.text));
    const closing = literal(closingOf(sentence.text));
    if (opening === undefined || closing === undefined) return undefined;
    const ends: string[] = [];
    for (let j = i; j < sentences.length; j++) {
      if (j > i && (sentences[j] as ShownSentence).tokenEnd - sentence.tokenStart > maxTokens)
        break;
      ends.push(`e${j}`);
    }
    const next = i + 1 < sentences.length ? ` p${i + 1}` : '';
    rules.push(`p${i} ::= ${opening} " [...] " (${ends.join(' | ')})`);
    rules.push(`e${i} ::= ${closing} "\\n"${next}`);
  }
  return rules.join('\n');
}

function literal(words: string): string | undefined {
  if (words === '' || /[\p{Cc}\p{Cs}\p{Cn}]/u.test(words)) return undefined;
  return `"${words.replaceAll('\\', '\\\\').replaceAll('"', '\\"')}"`;
}
