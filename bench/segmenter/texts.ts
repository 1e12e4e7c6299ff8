import { readdir, readFile } from 'node:fs/promises';
import { join } from 'node:path';
import { halfOf } from '../../lib/evaluate/index.js';
import type { Document } from '../../lib/index.js';
import { readCases } from '../fidelity/data.js';

/** Texts that a segmenter learns from. */
export interface TrainingTexts {
  /** With blank lines between paragraphs. */
  readonly paragraphs: readonly Document[];
  /** Of which only is known that neighbouring sentences mostly belong together. */
  readonly runs: readonly Document[];
}

/** UTF-16 units of a run that are taken. */
const runUnits = 2500;

/**
 * The Markdown files of `docs`; the sections of `data/cookbook` that answer no question of the half that benches report
 * on, nor have its name; and the first passage of each question of `data/musique`. Nothing of `data/chroma`, whose texts are all
 * asked about.
 */
export async function trainingTexts(data: string, docs: string): Promise<TrainingTexts> {
  const names = (await readdir(docs)).filter((name) => name.endsWith('.md')).sort();
  const own = await Promise.all(
    names.map(async (name) => ({ id: name, text: await readFile(join(docs, name), 'utf8') })),
  );
  const cases = await readCases(join(data, 'cookbook'));
  const asked = new Set(
    cases.flatMap(({ question, gold }) =>
      halfOf(question) === 'held-out' && gold.kind === 'documents' ? gold.ids : [],
    ),
  );
  const sections = (cases[0]?.documents ?? [])
    .filter(({ id }) => !asked.has(id))
    // The first line is the heading.
    .map(({ id, text }) => ({ id, text: text.slice(text.indexOf('\n') + 1) }));
  const contexts = await readCases(join(data, 'musique', 'musique_75.json'));
  const runs = contexts.flatMap(({ documents: [first] }) =>
    first ? [{ id: first.id, text: first.text.slice(0, runUnits) }] : [],
  );
  return { paragraphs: [...own, ...sections], runs };
}
