import type { Document } from '../../document.js';
import { type Entry, EntryProblem, isEntry, listOf, nameOf, textOf, textsOf } from './entry.js';
import type { EvaluationQuestion, Gold } from './question.js';

/**
 * How an entry says what it says. `plain`: `{ id?, question, answers | answer, passages | documents | contexts, gold? }`, a
 * passage being a text or `{ id?, title?, text, supporting? }`. `contexts`: `{ question, answers, ctxs: [{ title, text }] }`.
 * `hotpotqa`, `musique`: as published, HotpotQA also in the columns of its tables. `chroma`: `{ question, corpus | corpus_id,
 * references: [{ content, start_index, end_index }] }` over given corpora.
 */
export type QuestionForm = 'plain' | 'contexts' | 'hotpotqa' | 'musique' | 'chroma';

export interface FormContext {
  /** Names the entry where it has no id. */
  readonly number: number;
  readonly corpora: ReadonlyMap<string, Document>;
}

/** What an entry looks like. */
export function formOf(entry: Entry): QuestionForm {
  if ('ctxs' in entry) return 'contexts';
  if ('paragraphs' in entry) return 'musique';
  if ('supporting_facts' in entry) return 'hotpotqa';
  return 'references' in entry ? 'chroma' : 'plain';
}

/** The question of an entry. @throws EntryProblem */
export const readers: Readonly<
  Record<QuestionForm, (entry: Entry, context: FormContext) => EvaluationQuestion>
> = { plain, contexts, hotpotqa, musique, chroma };

function plain(entry: Entry, { number }: FormContext): EvaluationQuestion {
  const id = nameOf(entry, 'id', '_id') ?? `${number}`;
  const passages = passagesOf(id, listOf(entry, 'passages', 'documents', 'contexts'));
  const wanted = textsOf(entry, 'gold');
  const known = new Set(passages.map(({ document }) => document.id));
  const missing = wanted.find((name) => !known.has(name));
  if (missing !== undefined)
    throw new EntryProblem(`its gold "${missing}" is none of its passages`);
  const supporting = passages.filter((one) => one.supporting).map(({ document }) => document.id);
  return {
    id,
    question: textOf(entry, 'question', 'query'),
    answers: textsOf(entry, 'answers', 'answer'),
    corpus: nameOf(entry, 'corpus') ?? id,
    documents: passages.map(({ document }) => document),
    gold: goldOf(wanted.length > 0 ? wanted : supporting),
  };
}

function contexts(entry: Entry, { number }: FormContext): EvaluationQuestion {
  const id = nameOf(entry, 'id') ?? `${number}`;
  const answers = textsOf(entry, 'answers', 'answer');
  if (answers.length === 0) throw new EntryProblem('it has no "answers"');
  return {
    id,
    question: textOf(entry, 'question'),
    answers,
    corpus: id,
    documents: passagesOf(id, listOf(entry, 'ctxs')).map(({ document }) => document),
    gold: { kind: 'answer' },
  };
}

/** Yang and others, HotpotQA (2018): supporting facts name paragraphs by their titles. */
function hotpotqa(entry: Entry, { number }: FormContext): EvaluationQuestion {
  const id = nameOf(entry, '_id', 'id') ?? `${number}`;
  const documents = pairsOf(entry, 'context', 'title', 'sentences').map(([title, sentences], i) => {
    if (!Array.isArray(sentences)) throw new EntryProblem('a paragraph has no list of sentences');
    return { id: `${id}.${i}`, text: sentences.join(''), title: String(title) };
  });
  const titles = new Set(
    pairsOf(entry, 'supporting_facts', 'title', 'sent_id').map(([title]) => title),
  );
  const gold = documents.filter(({ title }) => titles.has(title)).map((document) => document.id);
  if (gold.length < titles.size) throw new EntryProblem('a supporting fact is in no paragraph');
  return {
    id,
    question: textOf(entry, 'question'),
    answers: [textOf(entry, 'answer')],
    corpus: id,
    documents,
    gold: { kind: 'documents', ids: gold },
  };
}

/** `[[a, b], …]`, or the same in columns, `{ a: […], b: […] }`. @throws EntryProblem */
function pairsOf(entry: Entry, name: string, first: string, second: string): [unknown, unknown][] {
  const value = entry[name];
  if (isEntry(value)) {
    const [left, right] = [listOf(value, first), listOf(value, second)];
    if (left.length === right.length) return left.map((one, i) => [one, right[i]]);
    throw new EntryProblem(`the columns of its "${name}" are not equally long`);
  }
  return listOf(entry, name).map((pair) => {
    if (Array.isArray(pair) && pair.length >= 2) return [pair[0], pair[1]];
    throw new EntryProblem(`its "${name}" is no list of pairs`);
  });
}

/** Trivedi and others, MuSiQue (2022). */
function musique(entry: Entry, { number }: FormContext): EvaluationQuestion {
  const id = nameOf(entry, 'id') ?? `${number}`;
  if (entry['answerable'] === false) throw new EntryProblem('it is marked as not answerable');
  const passages = passagesOf(id, listOf(entry, 'paragraphs'));
  return {
    id,
    question: textOf(entry, 'question'),
    answers: [textOf(entry, 'answer'), ...textsOf(entry, 'answer_aliases')],
    corpus: id,
    documents: passages.map(({ document }) => document),
    gold: goldOf(passages.filter((one) => one.supporting).map(({ document }) => document.id)),
  };
}

function chroma(entry: Entry, { number, corpora }: FormContext): EvaluationQuestion {
  const id = nameOf(entry, 'id') ?? `${number}`;
  const corpus = textOf(entry, 'corpus', 'corpus_id');
  const document = corpora.get(corpus);
  if (!document)
    throw new EntryProblem(`it is about the text "${corpus}", which is not among corpora`);
  const references = listOf(entry, 'references').map((reference) => {
    const { start_index: start, end_index: end, content } = isEntry(reference) ? reference : {};
    const isPart =
      Number.isInteger(start) &&
      Number.isInteger(end) &&
      (start as number) >= 0 &&
      (start as number) < (end as number) &&
      (end as number) <= document.text.length;
    if (!isPart)
      throw new EntryProblem('start_index and end_index of a reference are no part of the text');
    const span = { start: start as number, end: end as number };
    const text = document.text.slice(span.start, span.end);
    if (content !== undefined && content !== text) {
      throw new EntryProblem(`a reference is not at ${span.start} to ${span.end} of the text`);
    }
    return { span, text };
  });
  return {
    id,
    question: textOf(entry, 'question'),
    answers: references.map(({ text }) => text),
    corpus,
    documents: [document],
    gold: { kind: 'spans', documentId: document.id, spans: references.map(({ span }) => span) },
  };
}

interface Passage {
  readonly document: Document;
  readonly supporting: boolean;
}

/** Passages, each a text or an object. Those without an id are named by the question and their place. */
function passagesOf(id: string, list: readonly unknown[]): Passage[] {
  const ids = new Set<string>();
  return list.map((item, i) => {
    const entry = isEntry(item) ? item : { text: item };
    const document = {
      id: nameOf(entry, 'id') ?? `${id}.${i}`,
      text: textOf(entry, 'text', 'content', 'paragraph_text'),
      ...titled(entry),
    };
    if (ids.has(document.id)) throw new EntryProblem(`two passages have the id "${document.id}"`);
    ids.add(document.id);
    return {
      document,
      supporting: entry['supporting'] === true || entry['is_supporting'] === true,
    };
  });
}

function titled(entry: Entry): { readonly title?: string } {
  const title = nameOf(entry, 'title');
  return title === undefined ? {} : { title };
}

function goldOf(ids: readonly string[]): Gold {
  return ids.length > 0 ? { kind: 'documents', ids } : { kind: 'answer' };
}
