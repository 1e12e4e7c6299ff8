import { readdir, readFile } from 'node:fs/promises';
import { basename, extname, join } from 'node:path';
import { importQuestions, type TextSpan } from '../../lib/evaluate/index.js';
import { type Document, InvalidArgumentError } from '../../lib/index.js';

/** A question and the stretches of text that answer it. */
export interface ReferencedQuestion {
  readonly question: string;
  readonly references: readonly TextSpan[];
}

/**
 * The texts of a folder, `.md` and `.txt`, by name.
 * @throws InvalidArgumentError where there are none
 */
export async function readCorpus(folder: string): Promise<Document[]> {
  const names = (await readdir(folder)).filter((name) => ['.md', '.txt'].includes(extname(name)));
  if (names.length === 0) throw new InvalidArgumentError(`${folder} holds no .md or .txt file.`);
  return Promise.all(
    names.sort().map(async (name) => ({
      id: basename(name, extname(name)),
      text: await readFile(join(folder, name), 'utf8'),
    })),
  );
}

/**
 * Questions in chroma's form, whose offsets count UTF-16 units.
 * @throws InvalidArgumentError for another form, an unknown document, or a reference that is not where it should be
 */
export async function readQuestions(
  path: string,
  documents: readonly Document[],
): Promise<ReferencedQuestion[]> {
  const text = await readFile(path, 'utf8');
  const questions = await importQuestions(text, { form: 'chroma', corpora: documents });
  return questions.map(({ question, gold }) => ({
    question,
    references:
      gold.kind === 'spans'
        ? gold.spans.map((span) => ({ documentId: gold.documentId, ...span }))
        : [],
  }));
}
