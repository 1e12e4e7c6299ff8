import type { TextField } from '../retrieve/bm25.js';
import type { Chunk } from '../document.js';
import { InvalidArgumentError } from '../errors.js';

/** What a language model says of a passage, beside its text. Each part may be missing. */
export interface ChunkEnrichment {
  readonly title?: string;
  readonly summary?: string;
  readonly keywords?: readonly string[];
  /** People, places, products and the like, as the text writes them. */
  readonly entities?: readonly string[];
  /** Questions that the passage answers. */
  readonly questions?: readonly string[];
  /** What of the text around the passage it cannot be understood without. Only of `withSideFields`. */
  readonly completion?: string;
}

export type EnrichmentField = keyof ChunkEnrichment;

/**
 * Parts that `enrichChunks` asks for, in the order in which it does: what a passage is about first, what follows from it
 * later.
 */
export const askedFields = [
  'title',
  'summary',
  'keywords',
  'entities',
  'questions',
] as const satisfies readonly EnrichmentField[];

export type AskedField = (typeof askedFields)[number];

const enrichmentFields: readonly EnrichmentField[] = [...askedFields, 'completion'];

const key = 'enrichment';

/** The same chunk with an enrichment in its metadata, under `enrichment`. Its text, tokens and id stay. */
export function withEnrichment(chunk: Chunk, enrichment: ChunkEnrichment): Chunk {
  return { ...chunk, metadata: { ...chunk.metadata, [key]: enrichment } };
}

/** What {@link withEnrichment} put there; empty where nothing is. */
export function enrichmentOf(chunk: Chunk): ChunkEnrichment {
  const found = chunk.metadata?.[key];
  return typeof found === 'object' && found !== null ? (found as ChunkEnrichment) : {};
}

/** The texts of one part: a title or summary is one, lists are several. */
export function enrichedTexts(chunk: Chunk, field: EnrichmentField): readonly string[] {
  const value = enrichmentOf(chunk)[field];
  if (typeof value === 'string') return [value];
  return Array.isArray(value) ? (value as readonly string[]) : [];
}

/**
 * Enrichments as fields of `bm25Retriever`, each with its weight against the text.
 * `enrichedFields({ questions: 0.5, keywords: 0.3 })`, for example; parts that are not named are not searched.
 *
 * @throws InvalidArgumentError for a part that there is not
 */
export function enrichedFields(
  weights: Readonly<Partial<Record<EnrichmentField, number>>>,
): TextField[] {
  return Object.entries(weights).map(([name, weight]) => {
    const field = enrichmentFields.find((one) => one === name);
    if (!field) {
      throw new InvalidArgumentError(
        `Enrichments have no "${name}"; they have ${enrichmentFields.join(', ')}.`,
      );
    }
    return { name: field, weight, textOf: (chunk) => enrichedTexts(chunk, field).join('\n') };
  });
}
