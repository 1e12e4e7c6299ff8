import { readdir, readFile } from 'node:fs/promises';
import { basename, extname, join } from 'node:path';
import { importQuestions, type TextSpan } from '../../lib/evaluate/index.js';
import { type Document, InvalidArgumentError } from '../../lib/index.js';
import { listOf, readJson, readSections, textOf } from '../sections.js';

/** A question and the stretches of text that answer it. */
export interface ReferencedQuestion {
  readonly question: string;
  readonly references: readonly TextSpan[];
  /** `documents`: it is known in which documents the answer is, not where; any part of one counts as all of it. */
  readonly by: 'spans' | 'documents';
}

/**
 * The texts of a folder, `.md` and `.txt`, by name; or the sections of its `docs.json`, of
 * `[{ chunk_link, chunk_heading, text }]`.
 * @throws InvalidArgumentError where there are none
 */
export async function readCorpus(folder: string): Promise<Document[]> {
  const all = await readdir(folder);
  if (all.includes('docs.json')) return readSections(folder);
  const names = all.filter((name) => ['.md', '.txt'].includes(extname(name)));
  if (names.length === 0) throw new InvalidArgumentError(`${folder} holds no .md or .txt file.`);
  return Promise.all(
    names.sort().map(async (name) => ({
      id: basename(name, extname(name)),
      text: await readFile(join(folder, name), 'utf8'),
    })),
  );
}

/**
 * Questions in chroma's form, whose offsets count UTF-16 units; or of `[{ question, correct_chunks }]`, which name documents.
 * @throws InvalidArgumentError for another form, an unknown document, or a reference that is not where it should be
 */
export async function readQuestions(
  path: string,
  documents: readonly Document[],
): Promise<ReferencedQuestion[]> {
  const [first] = listOf(await readJson(path), path);
  if (Array.isArray(first?.['correct_chunks'])) return byDocuments(path, documents);
  const text = await readFile(path, 'utf8');
  const questions = await importQuestions(text, { form: 'chroma', corpora: documents });
  return questions.map(({ question, gold }) => ({
    question,
    by: 'spans',
    references:
      gold.kind === 'spans'
        ? gold.spans.map((span) => ({ documentId: gold.documentId, ...span }))
        : [],
  }));
}

async function byDocuments(
  path: string,
  documents: readonly Document[],
): Promise<ReferencedQuestion[]> {
  const lengths = new Map(documents.map(({ id, text }) => [id, text.length]));
  return listOf(await readJson(path), path).map((entry, i) => {
    const at = `${path}, entry ${i}`;
    const wanted = new Set(
      listOf(entry['correct_chunks'], `${at}, correct_chunks`, 'any').map(String),
    );
    const references = [...wanted].flatMap((documentId) => {
      // Sections without text are no documents.
      const end = lengths.get(documentId);
      return end === undefined ? [] : [{ documentId, start: 0, end }];
    });
    if (references.length === 0)
      throw new InvalidArgumentError(`${at} names no document with text.`);
    return { question: textOf(entry, 'question', at), by: 'documents', references };
  });
}
