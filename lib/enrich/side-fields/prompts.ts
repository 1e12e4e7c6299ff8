import type { GenerateRequest } from '../../language-model.js';
import { termsOf } from '../../retrieve/terms.js';
import { isAbout, isGrounded, isRepetitive } from '../sense.js';

/** Counts up with every change of the texts below: answers to older prompts are not taken for those to newer ones. */
export const sideFieldsPromptVersion = 1;

type Request = Omit<GenerateRequest, 'signal'>;

/** Most facts that a passage is completed with, and characters of each, of a completion, of a summary. */
const mostFacts = 8;
const longestFact = 200;
const longestText = 600;

/** What a model says where nothing is to be said. */
const nothing = 'NONE';

const letter = String.raw`[^\x01-\x1F]`;
const sentences = `root ::= ${letter}{1,${longestText}}`;

/** Asks what a passage lacks by itself: the first stage, "missing reflection" or the integrity reviewer. */
export function reviewRequest(passage: string, context: string): Request {
  return {
    prompt: `Below are a text and a passage of the same document. Somebody will read the passage without the text. List what that reader would lack: whom or what its pronouns and short names mean, what its terms mean, which conditions hold for it. Take only what the text says. One fact a line, as a short sentence; or ${nothing} where the passage lacks nothing.

Text:
${context}

Passage:
${passage}`,
    maxTokens: mostFacts * 48,
    grammar: `root ::= "${nothing}" | fact{1,${mostFacts}}\nfact ::= "- " ${letter}{8,${longestFact}} "\\n"`,
  };
}

/**
 * Facts of an answer: none where it says that nothing lacks, undefined where it cannot be used. A fact that the context does
 * not bear out, that adds nothing to the passage or that repeats itself is dropped: the second stage, without a model.
 */
export function factsOf(answer: string, passage: string, context: string): string[] | undefined {
  const lines = answer
    .split('\n')
    .map((line) => line.replace(/^[\s\-*•\d.):]+/u, '').trim())
    .filter((line) => line !== '');
  if (lines.length > 0 && lines.every((line) => /^["']?none\b.{0,3}$/iu.test(line))) return [];
  const known = new Set(termsOf(context));
  const own = new Set(termsOf(passage));
  const facts = lines.filter((line) => {
    const terms = termsOf(line);
    const adds = terms.some((term) => known.has(term) && !own.has(term));
    return (
      line.length <= 2 * longestFact && adds && !isRepetitive(terms) && isGrounded(terms, known)
    );
  });
  return facts.length > 0 ? [...new Set(facts)].slice(0, mostFacts) : undefined;
}

/** Asks for what is to be read before a passage: the last stage, "completion" or the knowledge completer. */
export function completionRequest(passage: string, facts: readonly string[]): Request {
  return {
    prompt: `Somebody will read the passage below by itself. Write one or two sentences to be read before it, from these facts. Leave out a fact that the passage can be understood without, or that brings in another matter; write ${nothing} if that leaves none. Write nothing else, and do not repeat the passage.

Facts:
${facts.map((fact) => `- ${fact}`).join('\n')}

Passage:
${passage}`,
    maxTokens: 160,
    grammar: sentences,
  };
}

/** Empty where the model found that none is needed, undefined where the answer cannot be used. */
export function completionOf(
  answer: string,
  passage: string,
  facts: readonly string[],
): string | undefined {
  const text = plain(answer);
  if (/^["']?none\b.{0,3}$/iu.test(text)) return '';
  const terms = termsOf(text);
  const known = new Set(termsOf(`${facts.join('\n')}\n${passage}`));
  const isCopy = plain(passage).toLowerCase().includes(text.toLowerCase());
  if (isCopy || text.length > 2 * longestText || isRepetitive(terms)) return undefined;
  // Of the passage alone it would be a summary.
  return isAbout(terms, new Set(termsOf(facts.join('\n')))) && isGrounded(terms, known)
    ? text
    : undefined;
}

/** Asks what a whole document is about. */
export function documentSummaryRequest(excerpt: string): Request {
  return {
    prompt: `Summarise the document below in at most three sentences: what it is, whom or what it is about, what it says. Write nothing else.

Document:
${excerpt}`,
    maxTokens: 160,
    grammar: sentences,
  };
}

/** Asks what a passage tells, in view of what its document is about. */
export function summaryRequest(passage: string, document: string | undefined): Request {
  return {
    prompt: `Write one or two sentences that say what the passage below tells${document === undefined ? '' : ', and whom or what of the document it is about'}. Write nothing else.
${document === undefined ? '' : `\nThe document: ${document}\n`}
Passage:
${passage}`,
    maxTokens: 160,
    grammar: sentences,
  };
}

/**
 * Undefined where it has nothing to do with the text, is mostly of words that neither the text nor what is known `about` it
 * has, goes on and on or repeats itself: small models make up films and people.
 */
export function summaryOf(answer: string, text: string, about = ''): string | undefined {
  const summary = plain(answer);
  const terms = termsOf(summary);
  if (summary.length > 2 * longestText || isRepetitive(terms)) return undefined;
  const isOfText = isAbout(terms, new Set(termsOf(text)));
  return isOfText && isGrounded(terms, new Set(termsOf(`${text}\n${about}`))) ? summary : undefined;
}

function plain(text: string): string {
  return text.replaceAll(/\s+/gu, ' ').trim();
}
