import { readFile, stat } from 'node:fs/promises';
import { join } from 'node:path';
import type { EvaluationQuestion } from '../../../lib/evaluate/index.js';
import type { Chunk } from '../../../lib/index.js';
import { readCases } from '../../fidelity/data.js';

/** A question, and which parts of its corpus answer it. */
export interface JudgedCase extends EvaluationQuestion {
  /** For each piece of evidence whether a chunk holds some of it. */
  readonly evidence: readonly ((chunk: Chunk) => boolean)[];
}

interface Reference {
  readonly start_index: number;
  readonly end_index: number;
}

/**
 * {@link readCases} with what is right: spans of the corpus, sections by their link, or, where the data names neither, any chunk that
 * holds an answer word for word, which is a weaker thing. Questions whose evidence is nowhere in the corpus are left out.
 */
export async function readJudged(path: string): Promise<JudgedCase[]> {
  const cases = await readCases(path);
  if ((await stat(path)).isFile())
    return cases.map(byAnswer).filter(({ evidence }) => evidence.length);
  const corpora = await readJson(join(path, 'questions.json'));
  if (corpora) {
    return cases.map((item, i) => {
      const references = (corpora[i]?.['references'] ?? []) as readonly Reference[];
      return {
        ...item,
        evidence: references.map(
          ({ start_index, end_index }) =>
            (chunk: Chunk) =>
              chunk.start < end_index && chunk.end > start_index,
        ),
      };
    });
  }
  const entries = (await readJson(join(path, 'docs_questions.json'))) ?? [];
  return cases
    .map((item, i) => {
      const links = (entries[i]?.['correct_chunks'] ?? []) as readonly string[];
      const known = new Set(item.documents.map(({ id }) => id));
      return {
        ...item,
        evidence: links
          .filter((link) => known.has(link))
          .map((link) => (chunk: Chunk) => chunk.documentId === link),
      };
    })
    .filter(({ evidence }) => evidence.length > 0);
}

function byAnswer(item: EvaluationQuestion): JudgedCase {
  const answers = item.answers.map((answer) => answer.toLowerCase());
  const holds = ({ text }: { readonly text: string }) =>
    answers.some((answer) => text.toLowerCase().includes(answer));
  return { ...item, evidence: item.documents.some(holds) ? [holds] : [] };
}

async function readJson(path: string): Promise<Record<string, unknown>[] | undefined> {
  const text = await readFile(path, 'utf8').catch(() => undefined);
  return text === undefined ? undefined : (JSON.parse(text) as Record<string, unknown>[]);
}

/** Share of the evidence that some of the chunks hold. */
export function recallOf({ evidence }: JudgedCase, chunks: readonly Chunk[]): number {
  return evidence.filter((holds) => chunks.some(holds)).length / evidence.length;
}
