import { readFile, stat } from 'node:fs/promises';
import { join } from 'node:path';
import type { Range } from '../../lib/evaluate/index.js';
import { type Document, InvalidArgumentError } from '../../lib/index.js';

/** A question, the texts that passages for it are found in, and an answer to hold models to. */
export interface QuestionCase {
  readonly id: string;
  readonly question: string;
  readonly answers: readonly string[];
  /** Cases of one corpus share its passages. */
  readonly corpus: string;
  readonly documents: readonly Document[];
  readonly gold: Gold;
}

/** What a search for a question should find. */
export type Gold =
  /** Parts of a document. */
  | { readonly kind: 'spans'; readonly documentId: string; readonly spans: readonly Range[] }
  /** Something of each of these documents. */
  | { readonly kind: 'documents'; readonly ids: readonly string[] }
  /** A passage of the case's own documents that holds one of the answers. */
  | { readonly kind: 'answer' };

export interface ReadOptions {
  /**
   * What is one document where the data has sections of pages: each section (`apart`, the default) or a page, that is all
   * sections whose links are the same up to the `#`, in the order of the file (`joined`).
   */
  readonly sections?: 'apart' | 'joined';
}

/**
 * Reads questions: a JSON file of `[{ ctxs: [{ title, text }], question, answers }]`; a folder with `questions.json` of
 * `[{ question, corpus, references: [{ content, start_index, end_index }] }]` beside `CORPUS.md`; or one with `docs.json` of
 * `[{ chunk_link, chunk_heading, text }]` and `docs_questions.json` of `[{ id, question, correct_chunks, correct_answer }]`.
 * @throws InvalidArgumentError for any other
 */
export async function readCases(
  path: string,
  { sections = 'apart' }: ReadOptions = {},
): Promise<QuestionCase[]> {
  if ((await stat(path)).isFile()) return fromContexts(await readJson(path), path);
  const corpora = await readJson(join(path, 'questions.json')).catch(() => undefined);
  if (corpora !== undefined) return fromCorpora(corpora, path);
  return fromSections(path, sections);
}

function fromContexts(data: unknown, path: string): QuestionCase[] {
  return listOf(data, path).map((entry, i) => {
    const at = `${path}, entry ${i}`;
    return {
      id: `${i}`,
      question: textOf(entry, 'question', at),
      answers: listOf(entry['answers'], `${at}, answers`, 'any').map(String),
      corpus: `${i}`,
      documents: listOf(entry['ctxs'], `${at}, ctxs`).map((context, j) => ({
        id: `${i}.${j}`,
        text: textOf(context, 'text', `${at}, ctxs ${j}`),
      })),
      gold: { kind: 'answer' },
    };
  });
}

async function fromCorpora(data: unknown, folder: string): Promise<QuestionCase[]> {
  const corpora = new Map<string, readonly Document[]>();
  const cases: QuestionCase[] = [];
  for (const [i, entry] of listOf(data, folder).entries()) {
    const at = `${folder}, question ${i}`;
    const corpus = textOf(entry, 'corpus', at);
    const documents = corpora.get(corpus) ?? [
      { id: corpus, text: await readFile(join(folder, `${corpus}.md`), 'utf8') },
    ];
    corpora.set(corpus, documents);
    const references = listOf(entry['references'], `${at}, references`);
    const length = documents[0]?.text.length ?? 0;
    cases.push({
      id: `${i}`,
      question: textOf(entry, 'question', at),
      answers: [textOf(references[0], 'content', `${at}, references 0`)],
      corpus,
      documents,
      gold: {
        kind: 'spans',
        documentId: corpus,
        spans: references.map((one, j) => spanOf(one, length, `${at}, references ${j}`)),
      },
    });
  }
  return cases;
}

/**
 * The sections of a folder's `docs.json` that have text, by their links.
 * @throws InvalidArgumentError for another form
 */
export async function readSections(folder: string): Promise<Document[]> {
  const sections = listOf(await readJson(join(folder, 'docs.json')), `${folder}/docs.json`);
  const documents = new Map<string, Document>();
  for (const [i, section] of sections.entries()) {
    const at = `${folder}/docs.json, entry ${i}`;
    const id = textOf(section, 'chunk_link', at);
    if (textOf(section, 'text', at).trim() !== '') {
      documents.set(id, { id, text: textOf(section, 'text', at) });
    }
  }
  return [...documents.values()];
}

function pagesOf(sections: readonly Document[]): Document[] {
  const texts = new Map<string, string[]>();
  for (const { id, text } of sections) {
    texts.set(pageOf(id), [...(texts.get(pageOf(id)) ?? []), text]);
  }
  return [...texts].map(([id, parts]) => ({ id, text: parts.join('\n\n') }));
}

function pageOf(link: string): string {
  return link.split('#')[0] as string;
}

async function fromSections(folder: string, as: 'apart' | 'joined'): Promise<QuestionCase[]> {
  const sections = await readSections(folder);
  const found = new Set(sections.map(({ id }) => id));
  const documents = as === 'apart' ? sections : pagesOf(sections);
  const path = join(folder, 'docs_questions.json');
  return listOf(await readJson(path), path).map((entry, i) => ({
    id: textOf(entry, 'id', `${path}, entry ${i}`),
    question: textOf(entry, 'question', `${path}, entry ${i}`),
    answers: [textOf(entry, 'correct_answer', `${path}, entry ${i}`)],
    corpus: 'docs',
    documents,
    gold: {
      kind: 'documents',
      // Sections without text cannot be found.
      ids: [
        ...new Set(
          listOf(entry['correct_chunks'] ?? [], `${path}, entry ${i}`, 'any')
            .map(String)
            .filter((link) => found.has(link))
            .map((link) => (as === 'apart' ? link : pageOf(link))),
        ),
      ],
    },
  }));
}

async function readJson(path: string): Promise<unknown> {
  const text = await readFile(path, 'utf8');
  try {
    return JSON.parse(text);
  } catch (cause) {
    throw new InvalidArgumentError(`${path} is no JSON: ${String(cause)}`);
  }
}

type Entry = Readonly<Record<string, unknown>>;

function listOf(value: unknown, at: string, of: 'objects' | 'any' = 'objects'): Entry[] {
  const fits =
    Array.isArray(value) &&
    value.length > 0 &&
    (of === 'any' || value.every((item) => typeof item === 'object' && item !== null));
  if (fits) return value as Entry[];
  throw new InvalidArgumentError(`${at}: here should be a list of ${of}, not an empty one.`);
}

function textOf(entry: Entry | undefined, name: string, at: string): string {
  const value = entry?.[name];
  if (typeof value === 'string') return value;
  throw new InvalidArgumentError(`${at}: "${name}" should be a text.`);
}

function spanOf(entry: Entry, length: number, at: string): Range {
  const { start_index: start, end_index: end } = entry;
  const fits = Number.isInteger(start) && Number.isInteger(end);
  if (
    fits &&
    (start as number) >= 0 &&
    (start as number) < (end as number) &&
    (end as number) <= length
  ) {
    return { start: start as number, end: end as number };
  }
  throw new InvalidArgumentError(`${at}: start_index and end_index are no part of the text.`);
}
