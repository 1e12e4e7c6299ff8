import { readFile, stat } from 'node:fs/promises';
import { join } from 'node:path';
import { type EvaluationQuestion, importQuestions } from '../../lib/evaluate/index.js';
import { type Document, InvalidArgumentError } from '../../lib/index.js';
import { readCorpus } from '../chunking/data.js';

/**
 * Reads questions: a file that `importQuestions` reads; a folder with `questions.json` in chroma's form beside its texts; or
 * one with `docs.json` of `[{ chunk_link, chunk_heading, text }]` and `docs_questions.json` of
 * `[{ id, question, correct_chunks, correct_answer }]`.
 * @throws InvalidArgumentError for any other
 */
export async function readCases(path: string): Promise<EvaluationQuestion[]> {
  if ((await stat(path)).isFile()) return importQuestions(await readFile(path, 'utf8'));
  const corpora = await readFile(join(path, 'questions.json'), 'utf8').catch(() => undefined);
  if (corpora === undefined) return fromSections(path);
  const questions = await importQuestions(corpora, { corpora: await readCorpus(path) });
  // What models are held to is the first reference.
  return questions.map((question) => ({ ...question, answers: question.answers.slice(0, 1) }));
}

async function fromSections(folder: string): Promise<EvaluationQuestion[]> {
  const sections = listOf(await readJson(join(folder, 'docs.json')), `${folder}/docs.json`);
  const documents = new Map<string, Document>();
  for (const [i, section] of sections.entries()) {
    const at = `${folder}/docs.json, entry ${i}`;
    const id = textOf(section, 'chunk_link', at);
    if (textOf(section, 'text', at).trim() !== '') {
      documents.set(id, { id, text: textOf(section, 'text', at) });
    }
  }
  const path = join(folder, 'docs_questions.json');
  return listOf(await readJson(path), path).map((entry, i) => ({
    id: textOf(entry, 'id', `${path}, entry ${i}`),
    question: textOf(entry, 'question', `${path}, entry ${i}`),
    answers: [textOf(entry, 'correct_answer', `${path}, entry ${i}`)],
    corpus: 'docs',
    documents: [...documents.values()],
    gold: {
      kind: 'documents',
      // Sections without text cannot be found.
      ids: listOf(entry['correct_chunks'] ?? [], `${path}, entry ${i}`, 'any')
        .map(String)
        .filter((id) => documents.has(id)),
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
