import type { TokenizedDocument } from '../../document.js';
import { englishStopWords } from '../../retrieve/stop-words.js';
import { termsOf } from '../../retrieve/terms.js';
import type { Units } from '../units.js';
import { type IntentSource, wordOverlap } from './intents.js';

/** Words of a key phrase. */
const longest = 3;

/**
 * Intents without a model: the headings of the document, and the phrases of up to three words that it repeats and
 * that are spread least over it, each asked for as a question.
 */
export const headingIntents: IntentSource = {
  name: 'headings',
  intentsOf: async (document, units, { count, signal }) => {
    signal?.throwIfAborted();
    const found: string[] = [];
    for (const topic of [...headings(document, units), ...keyPhrases(document, units)]) {
      if (found.length === count) break;
      if (found.every((known) => wordOverlap(known, topic) <= 0.4)) found.push(topic);
    }
    return found.map((topic) => `What is said about ${topic}?`);
  },
};

function headings({ text }: TokenizedDocument, { outline }: Units): string[] {
  return outline.titles(text);
}

/** Phrases that come up in several sentences, those first that say most about where they stand. */
function keyPhrases({ text, tokens }: TokenizedDocument, { size, starts }: Units): string[] {
  const uses = new Map<string, { count: number; last: number }>();
  for (let unit = 0; unit < size; unit++) {
    const from = tokens.starts[starts[unit] as number];
    const sentence = text.slice(from, tokens.starts[starts[unit + 1] as number]);
    const terms = termsOf(sentence);
    for (let first = 0; first < terms.length; first++) {
      if (englishStopWords.has(terms[first] as string)) continue;
      for (let length = 1; length <= longest && first + length <= terms.length; length++) {
        if (englishStopWords.has(terms[first + length - 1] as string)) continue;
        const phrase = terms.slice(first, first + length).join(' ');
        const use = uses.get(phrase);
        if (!use) uses.set(phrase, { count: 1, last: unit });
        else if (use.last !== unit) {
          use.count++;
          use.last = unit;
        }
      }
    }
  }
  const worth = (phrase: string, count: number) =>
    count * Math.log(size / count) * phrase.split(' ').length;
  return [...uses]
    .filter(([phrase, { count }]) => count > 1 && phrase.length > 3)
    .map(([phrase, { count }]) => ({ phrase, worth: worth(phrase, count) }))
    .sort((a, b) => b.worth - a.worth || (a.phrase < b.phrase ? -1 : 1))
    .slice(0, 500)
    .map(({ phrase }) => phrase);
}
