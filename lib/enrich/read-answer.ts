import { termsOf } from '../retrieve/terms.js';
import type { ChunkEnrichment, AskedField } from './enrichment.js';
import { isList, limits } from './request.js';
import { isAbout, isRepetitive } from './sense.js';

/**
 * What of an answer can be used. A part that is missing, of another form, or nonsense is left out:
 * a title or summary that shares no telling term with the passage, entities that it does not name, questions that are none or
 * have nothing to do with it, texts that repeat themselves.
 */
export function readAnswer(
  answer: string,
  passage: string,
  fields: readonly AskedField[],
): ChunkEnrichment {
  const given = parsed(answer);
  if (!given) return {};
  const known = new Set(termsOf(passage));
  const enrichment: Partial<Record<AskedField, string | string[]>> = {};
  for (const field of fields) {
    const value = given[field];
    const texts = (isList(field) && Array.isArray(value) ? value : [value])
      .flatMap((one) => (typeof one === 'string' ? one.replaceAll(/\s+/gu, ' ').trim() : []))
      .filter((text) => isSense(field, text, passage, known));
    // Said twice is said once.
    const distinct = [...new Map(texts.map((text) => [text.toLowerCase(), text])).values()].slice(
      0,
      limits[field].entries,
    );
    const [first] = distinct;
    if (first === undefined || (!isList(field) && typeof value !== 'string')) continue;
    enrichment[field] = isList(field) ? distinct : first;
  }
  return enrichment as ChunkEnrichment;
}

/** The first JSON object in a text; models like to say something around it. */
function parsed(answer: string): Readonly<Record<string, unknown>> | undefined {
  const [from, to] = [answer.indexOf('{'), answer.lastIndexOf('}')];
  if (from < 0 || to < from) return undefined;
  try {
    return JSON.parse(answer.slice(from, to + 1)) as Readonly<Record<string, unknown>>;
  } catch {
    return undefined;
  }
}

function isSense(
  field: AskedField,
  text: string,
  passage: string,
  known: ReadonlySet<string>,
): boolean {
  if (text === '' || text.length > 2 * limits[field].characters) return false;
  const terms = termsOf(text);
  if (terms.length === 0 || isRepetitive(terms)) return false;
  switch (field) {
    case 'entities':
      return holds(passage, text);
    case 'keywords':
      return true;
    case 'questions':
      return /[?？؟]$/u.test(text) && isAbout(terms, known);
    default:
      return isAbout(terms, known);
  }
}

function holds(passage: string, text: string): boolean {
  return passage.replaceAll(/\s+/gu, ' ').toLowerCase().includes(text.toLowerCase());
}
