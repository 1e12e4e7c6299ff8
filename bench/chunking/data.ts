import { readdir, readFile } from 'node:fs/promises';
import { basename, extname, join } from 'node:path';
import type { TextSpan } from '../../lib/evaluate/index.js';
import { type Document, InvalidArgumentError } from '../../lib/index.js';
import { readSections } from '../fidelity/data.js';

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
 * Questions from a JSON file of `[{ question, corpus, references: [{ content, start_index, end_index }] }]`, where
 * `corpus` names a document, and offsets count UTF-16 units; or of `[{ question, correct_chunks }]`, which name documents.
 * @throws InvalidArgumentError for another form, an unknown document, or a reference that is not where it should be
 */
export async function readQuestions(
  path: string,
  documents: readonly Document[],
): Promise<ReferencedQuestion[]> {
  const texts = new Map(documents.map(({ id, text }) => [id, text]));
  const data: unknown = JSON.parse(await readFile(path, 'utf8'));
  const refuse = (problem: string) => new InvalidArgumentError(`${path}: ${problem}.`);
  if (!Array.isArray(data)) throw refuse('it is no list of questions');
  return data.map((entry: Record<string, unknown>, i) => {
    const { question, corpus, references, correct_chunks: wanted } = entry;
    const text = texts.get(String(corpus));
    if (typeof question !== 'string') throw refuse(`entry ${i} has no question`);
    if (Array.isArray(wanted)) {
      const spans = [...new Set(wanted.map(String))].flatMap((documentId) => {
        // Sections without text are no documents.
        const length = texts.get(documentId)?.length;
        return length === undefined ? [] : [{ documentId, start: 0, end: length }];
      });
      if (spans.length === 0) throw refuse(`entry ${i} names no document with text`);
      return { question, by: 'documents', references: spans };
    }
    if (text === undefined)
      throw refuse(`entry ${i} is about "${String(corpus)}", which is no text`);
    if (!Array.isArray(references) || references.length === 0) {
      throw refuse(`entry ${i} has no references`);
    }
    return {
      question,
      by: 'spans',
      references: references.map((reference: Record<string, unknown>) => {
        const start = Number(reference['start_index']);
        const end = Number(reference['end_index']);
        if (text.slice(start, end) !== reference['content']) {
          throw refuse(`a reference of entry ${i} is not at ${start} to ${end}`);
        }
        return { documentId: String(corpus), start, end };
      }),
    };
  });
}
