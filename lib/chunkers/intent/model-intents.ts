import type { LanguageModel } from '../../language-model.js';
import { excerptOf } from '../excerpt.js';
import { ask, checkAsk, type ModelCallOptions } from '../model/ask.js';
import { Patience } from '../model/patience.js';
import { type IntentSource, wordOverlap } from './intents.js';

export interface ModelIntentsOptions extends ModelCallOptions {
  readonly model: LanguageModel;
  /** Rounds of questions after the first; default 3. Each may be hotter than the one before. */
  readonly rounds?: number;
  /** UTF-16 units of the document that the model is shown, from several places of it; default 12,000. */
  readonly shown?: number;
  /** Told of each round that failed; what the others found is used all the same. */
  readonly onFailure?: (cause: unknown) => void;
}

/** Of the first round, and by how much each later one is hotter. */
const temperature = 0.3;
const hotter = [1, 1.2, 1.5];

/**
 * Asks a language model what readers will ask: three questions first, then more in rounds at a rising temperature, about
 * half of them short facts, a third relations, a fifth explanations (IDC, arXiv 2602.14784). Lines that are no
 * question, or that repeat one, are dropped. A round that fails, or takes too long, adds none; after two in a row there are no more.
 *
 * @throws InvalidArgumentError for options out of range; `intentsOf()` rejects with the last failure where nothing was found
 */
export function modelIntents(options: ModelIntentsOptions): IntentSource {
  const { model, rounds = 3, shown = 12_000, onFailure } = options;
  checkAsk('modelIntents', options);
  return {
    name: model.name,
    intentsOf: async (document, _units, { count, signal }) => {
      const excerpt = excerptOf(document.text, shown);
      const found: string[] = [];
      const patience = new Patience();
      for (let round = 0; round <= rounds && found.length < count && !patience.isOver; round++) {
        signal?.throwIfAborted();
        const wanted = round === 0 ? Math.min(3, count) : count - found.length;
        const factor = hotter[Math.min(round, hotter.length - 1)] as number;
        const request = {
          prompt: promptOf(excerpt, wanted, found),
          maxTokens: 24 * wanted + 16,
          temperature: temperature * factor,
          seed: round + 1,
        };
        let text: string;
        try {
          ({ text } = await ask(model, request, options, signal));
          patience.answered();
        } catch (cause) {
          signal?.throwIfAborted();
          patience.failed(cause);
          onFailure?.(cause);
          continue;
        }
        for (const question of questionsOf(text)) {
          if (found.length === count) break;
          if (found.every((known) => wordOverlap(known, question) <= 0.4)) found.push(question);
        }
      }
      if (found.length === 0 && patience.cause !== undefined) throw patience.cause;
      return found;
    },
  };
}

function promptOf(excerpt: string, count: number, found: readonly string[]): string {
  const known = found.length > 0 ? `\nAlready asked, do not repeat:\n${found.join('\n')}\n` : '';
  return (
    `Document:\n${excerpt}\n${known}\n` +
    `Write ${count} questions that readers of this document would ask. About half should ask for a short fact, a third ` +
    'how things relate, the rest for an explanation. Each has 4 to 8 words. One question a line, nothing else.'
  );
}

/** Lines that read like questions, without numbers and bullets. */
function questionsOf(text: string): string[] {
  return text
    .split('\n')
    .map((line) => line.replace(/^[\s\-*•\d.)]+/, '').trim())
    .filter((line) => /[?？؟]$/.test(line) && /\p{L}/u.test(line) && line.length <= 200);
}
