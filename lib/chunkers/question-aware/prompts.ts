import { isAbout, isRepetitive } from '../../enrich/sense.js';
import type { GenerateRequest } from '../../language-model.js';
import { termsOf } from '../../retrieve/terms.js';
import { segmentGrammar } from './segment-grammar.js';
import type { Window } from './window.js';

/** Counts up with every change of the prompts: answers to older ones are not taken for those to newer ones. */
export const questionAwarePromptVersion = 1;

/** Stands between the first and the last words of a passage. */
export const gap = '[...]';

/** Longest question, in characters. */
const longestQuestion = 160;

/** Asks for the questions that the passages to come will answer. */
export function outlineRequest({ text }: Window, count: number): Omit<GenerateRequest, 'signal'> {
  return {
    prompt: `Below is a part of a document, which is going to be divided into passages. Write down the questions that the passages will answer, in the order of the text: what it is for, what it rests on, how things are done, what comes of them, how one leads to the next. About ${count} ${count === 1 ? 'question' : 'questions'}, one a line, and nothing else.

Text:
${text}`,
    maxTokens: 32 + 48 * count,
    grammar: `root ::= question{1,${count}}\nquestion ::= [^\\x01-\\x1F?]{8,${longestQuestion}} "?\\n"`,
  };
}

/**
 * The questions of an answer that have to do with the text, each once, without numbers and bullets; at most `count`. Small models
 * give back the prompt.
 */
export function outlineOf(answer: string, text: string, count: number): string[] {
  const known = new Set(termsOf(text));
  const questions = answer
    .split('\n')
    .map((line) => line.replace(/^[\s\-*•\d.):]+/u, '').trim())
    .filter((line) => /[?？؟]["”»]?$/u.test(line) && /\p{L}/u.test(line))
    .filter((line) => line.length <= 2 * longestQuestion)
    .filter((line) => isAbout(termsOf(line), known) && !isRepetitive(termsOf(line)));
  return [...new Set(questions)].slice(0, count);
}

/** Asks for the passages of a text by their first and last words. */
export function segmentRequest(
  window: Window,
  questions: readonly string[],
  { maxTokens, targetTokens }: { readonly maxTokens: number; readonly targetTokens: number },
): Omit<GenerateRequest, 'signal'> {
  const aim =
    questions.length > 0
      ? `each of which answers one of these questions by itself:\n${questions.map((question) => `- ${question}`).join('\n')}\n`
      : 'each of which is about one matter and can be understood by itself.\n';
  const grammar = segmentGrammar(window, maxTokens);
  return {
    prompt: `Divide the text below into passages, ${aim}
A passage is a run of whole sentences, about ${wordsOf(targetTokens)} words, ${wordsOf(maxTokens)} at most. Together the passages are the whole text, in its order, with nothing left out. For each passage write one line: its first words, then ${gap}, then its last words, copied exactly from the text. Write nothing else.

Text:
${window.text}`,
    // Room for a passage for every sentence, which a grammar may lead to, or two of the size that is asked for.
    maxTokens:
      64 + 48 * Math.min(window.sentences.length, 2 * Math.ceil(window.tokens / targetTokens) + 8),
    ...(grammar !== undefined && { grammar }),
  };
}

/** Four tokens are some three words. */
function wordsOf(tokens: number): number {
  return Math.max(1, Math.round(0.75 * tokens));
}
