import { readFile, stat } from 'node:fs/promises';
import { join } from 'node:path';
import { type EvaluationQuestion, importQuestions } from '../../lib/evaluate/index.js';
import { readCorpus } from '../chunking/data.js';
import { listOf, pageOf, pagesOf, readJson, readSections, textOf } from '../sections.js';

export interface ReadOptions {
  /**
   * What is one document where the data has sections of pages: each section (`apart`, the default) or a page, that is all
   * sections whose links are the same up to the `#`, in the order of the file (`joined`).
   */
  readonly sections?: 'apart' | 'joined';
}

/**
 * Reads questions: a file that `importQuestions` reads; a folder with `questions.json` in chroma's form beside its texts; or
 * one with `docs.json` of `[{ chunk_link, chunk_heading, text }]` and `docs_questions.json` of
 * `[{ id, question, correct_chunks, correct_answer }]`.
 * @throws InvalidArgumentError for any other
 */
export async function readCases(
  path: string,
  { sections = 'apart' }: ReadOptions = {},
): Promise<EvaluationQuestion[]> {
  if ((await stat(path)).isFile()) return importQuestions(await readFile(path, 'utf8'));
  const corpora = await readFile(join(path, 'questions.json'), 'utf8').catch(() => undefined);
  if (corpora === undefined) return fromSections(path, sections);
  const questions = await importQuestions(corpora, { corpora: await readCorpus(path) });
  // What models are held to is the first reference.
  return questions.map((question) => ({ ...question, answers: question.answers.slice(0, 1) }));
}

async function fromSections(folder: string, as: 'apart' | 'joined'): Promise<EvaluationQuestion[]> {
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
