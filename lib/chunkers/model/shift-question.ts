import type { GenerateRequest } from '../../language-model.js';

/** Counts up with every change of the prompt: answers to an older one are not taken for those to a newer one. */
export const shiftPromptVersion = 1;

/** Asks which of some paragraphs, numbered from 1, is the first at which the content changes. */
export function shiftQuestion(paragraphs: readonly string[]): Omit<GenerateRequest, 'signal'> {
  const numbered = paragraphs.map((paragraph, i) => `ID ${i + 1}: ${paragraph}`);
  const answers = paragraphs.slice(1).map((_, i) => `"Answer: ID ${i + 2}"`);
  return {
    prompt: `Below are the paragraphs of a document, each with its ID. Find the first paragraph, other than ID 1, at which the content clearly turns to something else than what came before it. Prefer groups of a middling length: neither one paragraph for each, nor nearly all of them together. Answer with its ID, in the form "Answer: ID 2", and nothing else.

${numbered.join('\n')}`,
    maxTokens: 16,
    grammar: `root ::= ${answers.join(' | ')}`,
  };
}

/** The ID of an answer, from 2 to `count`; undefined where there is none, or one that was not given. */
export function shiftOf(answer: string, count: number): number | undefined {
  const [, digits] =
    /answer\W{0,5}(?:is\W{0,3})?(?:paragraph\W{0,3})?(?:id\W{0,3})?(\d{1,6})/iu.exec(answer) ??
    /\bid\W{0,3}(\d{1,6})/iu.exec(answer) ??
    /^\W*(\d{1,6})\W*$/u.exec(answer) ??
    [];
  const id = digits === undefined ? NaN : Number(digits);
  return id >= 2 && id <= count ? id : undefined;
}
