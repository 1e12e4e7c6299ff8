import { editStability } from '../../lib/evaluate/index.js';
import type { Document } from '../../lib/index.js';
import { atLeast, type BenchOptions, type BenchOutcome, round } from '../harness.js';
import type { Cl100kTokenizer } from './cl100k.js';
import type { Tuned } from './tune.js';

/** UTF-16 units of a document that edits are tried on: each edit cuts it anew. */
const editedUnits = 100_000;
/** Documents that edits are tried on. */
const editedDocuments = 5;

/** What single edits leave of a document's chunks. */
export async function stability(
  size: number,
  tuned: ReadonlyMap<string, Tuned>,
  documents: readonly Document[],
  tokenizer: Cl100kTokenizer,
  options: BenchOptions,
  { figures, goals }: BenchOutcome,
): Promise<void> {
  for (const [name, { chunker }] of tuned) {
    let least = 1;
    for (const { id, text } of documents.filter(isEditable).slice(0, editedDocuments)) {
      const chunkIds = async (edited: string) => {
        const tokens = await tokenizer.encode(edited);
        return (await chunker.chunk({ id, text: edited, tokens })).map((chunk) => chunk.id);
      };
      const found = await editStability(text.slice(0, editedUnits), { chunkIds });
      const at = `${name}.${size}.${id}`;
      figures[`${at}.unchanged`] = round(found.unchanged);
      figures[`${at}.reencoded.median`] = round(found.reencoded.median);
      figures[`${at}.reencoded.p95`] = round(found.reencoded.p95);
      least = Math.min(least, found.unchanged);
    }
    options.log(`${name}.${size}: at least ${(100 * least).toFixed(1)}% unchanged by an edit`);
    if (size === 200 && ['content-defined', 'recursive', 'anchored'].includes(name)) {
      goals[`${name}.${size}.unchanged.least`] = atLeast(least, 0.95);
    }
  }
}

/** Enough text for edits at 20 places. */
const isEditable = ({ text }: Document): boolean => text.length >= 10_000;
