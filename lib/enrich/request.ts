import type { GenerateRequest } from '../language-model.js';
import type { AskedField } from './enrichment.js';

/** Counts up with every change of the texts below: answers to an older prompt are not taken for those to a newer one. */
export const promptVersion = 1;

/** Most characters of a text, and entries of a list. */
export const limits = {
  title: { characters: 120, entries: 1 },
  summary: { characters: 400, entries: 1 },
  keywords: { characters: 60, entries: 10 },
  entities: { characters: 80, entries: 8 },
  questions: { characters: 160, entries: 3 },
} as const satisfies Record<AskedField, { characters: number; entries: number }>;

const wishes: Readonly<Record<AskedField, string>> = {
  title: 'a title of at most ten words',
  summary: 'one sentence that says what the passage tells',
  keywords: 'up to ten words or phrases that somebody would search for',
  entities: 'people, places, organisations and products that the passage names',
  questions: 'up to three questions that the passage answers',
};

/** Asks for the parts of one passage as a JSON object, in one call. */
export function enrichmentRequest(
  passage: string,
  fields: readonly AskedField[],
): Pick<GenerateRequest, 'prompt' | 'grammar' | 'maxTokens'> {
  const lines = fields.map(
    (field) => `- "${field}": ${wishes[field]}${isList(field) ? ' (a list of texts)' : ''}`,
  );
  const characters = fields.reduce(
    (sum, field) => sum + limits[field].characters * limits[field].entries,
    0,
  );
  return {
    prompt: `Describe the passage below. Answer with one JSON object and nothing else. It has:
${lines.join('\n')}
Use only what the passage says.

Passage:
${passage}`,
    grammar: grammarOf(fields),
    // A character is a token at worst, but some four of them are one as a rule.
    maxTokens: 64 + Math.ceil(characters / 2),
  };
}

export function isList(field: AskedField): boolean {
  return limits[field].entries > 1;
}

/** GBNF of the object: these parts in this order, within their limits, without escapes. */
export function grammarOf(fields: readonly AskedField[]): string {
  const parts = fields.map((field) => String.raw`"\"${field}\": " ${field}`);
  const rules = fields.map((field) => {
    const { characters, entries } = limits[field];
    const text = String.raw`"\"" char{1,${characters}} "\""`;
    if (!isList(field)) return `${field} ::= ${text}`;
    return `${field} ::= "[" (${field}-text (", " ${field}-text){0,${entries - 1}})? "]"\n${field}-text ::= ${text}`;
  });
  return [
    `root ::= "{" ${parts.join(' ", " ')} "}"`,
    ...rules,
    String.raw`char ::= [^"\\\x01-\x1F]`,
  ].join('\n');
}
