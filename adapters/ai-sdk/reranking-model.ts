import type { Tokenizer } from '../../lib/engine/tokenizer.js';
import { InvalidArgumentError } from '../../lib/errors.js';
import type { Reranker } from '../../lib/rerank/reranker.js';
import type { ScoredChunk } from '../../lib/retrieve/retriever.js';
import { contractVersion, type RerankingModelContract, type Warning } from './contract.js';
import { providerName } from './language-model.js';

export interface RerankerParts {
  readonly reranker: Reranker;
  /** Of the engine behind the reranker: documents become passages by it. */
  readonly tokenizer: Tokenizer;
}

/** An AI SDK reranking model over a reranker. Objects are read as their JSON. */
export function rerankingModel(
  { reranker, tokenizer }: RerankerParts,
  modelId: string,
): RerankingModelContract {
  return {
    specificationVersion: contractVersion,
    provider: providerName,
    modelId,
    async doRerank({ documents, query, topN, abortSignal: signal }) {
      const warnings: Warning[] = [];
      if (documents.type === 'object') {
        const details = 'Objects are ranked by their JSON text.';
        warnings.push({ type: 'compatibility', feature: 'object documents', details });
      }
      const texts =
        documents.type === 'text'
          ? documents.values
          : documents.values.map((one) => JSON.stringify(one));
      const empty = texts.findIndex((text) => text.trim() === '');
      if (empty >= 0)
        throw new InvalidArgumentError(`Document ${empty} has no text to be ranked by.`);
      const candidates: ScoredChunk[] = [];
      for (const [i, text] of texts.entries()) {
        const { ids: tokens } = await tokenizer.encode(text, signal ? { signal } : {});
        const place = { documentId: String(i), start: 0, end: text.length, tokenStart: 0 };
        candidates.push({ chunk: { id: String(i), ...place, text, tokens }, score: 1 / (i + 1) });
      }
      const ranked =
        candidates.length === 0
          ? []
          : await reranker.rerank({
              question: query,
              candidates,
              ...(topN !== undefined && { k: Math.min(topN, candidates.length) }),
              ...(signal && { signal }),
            });
      return {
        ranking: ranked.map(({ chunk, score }) => ({
          index: Number(chunk.id),
          relevanceScore: score,
        })),
        warnings,
      };
    },
  };
}
