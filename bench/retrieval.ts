import { homedir } from 'node:os';
import { join } from 'node:path';
import { InvalidArgumentError } from '../lib/index.js';
import { askedFields } from '../lib/enrich/enrichment.js';
import { numberOf } from './fidelity/number-of.js';
import { benchWith, emptyOutcome, isWanted } from './harness.js';
import { type OpenEmbedder, openEmbedder } from './retrieval/embedders.js';
import { quality } from './retrieval/quality.js';
import { rerankerKinds } from './retrieval/rerankers.js';

/**
 * How well questions find their passages: BM25, dense and hybrid search with their variants, by recall, MRR, nDCG, and by what
 * fits into budgets of tokens. Settings are chosen on one half of the questions, and reported on the other.
 */
export const retrieval = benchWith(
  {
    data: { type: 'string', value: 'A,B', help: 'questions: see bench/fidelity/data.ts' },
    embedder: {
      type: 'string',
      value: 'MODEL',
      default: 'all-minilm-l6-v2',
      help: 'of dense search: a model, hashing, or none',
    },
    'chunk-tokens': { type: 'string', value: 'N', default: '200', help: 'most of a passage' },
    budgets: { type: 'string', value: 'N,…', default: '300,600,1200', help: 'tokens of a prompt' },
    ranks: { type: 'string', value: 'K,…', default: '1,5,10', help: 'hits that recall counts' },
    half: { type: 'string', default: 'held-out', help: 'held-out or all' },
    limit: { type: 'string', value: 'N', help: 'questions; default all' },
    passages: {
      type: 'string',
      value: 'N',
      help: 'a smaller corpus: those that answer, others by chance; default all',
    },
    enrich: {
      type: 'string',
      value: 'A,…',
      help: `arms with what a model says of passages, some of ${askedFields.join(', ')}`,
    },
    rerank: {
      type: 'string',
      value: 'A,…',
      help: 'arms with rerankers: likelihood, gains, attention, graded',
    },
    pool: { type: 'string', value: 'N', default: '10', help: 'hits that are reranked' },
    cache: { type: 'string', value: 'DIR', help: 'where KV and enrichments are kept between runs' },
    plain: {
      type: 'boolean',
      help: 'no passages embedded with their neighbours, which takes three times as long as all else',
    },
    markdown: { type: 'boolean', help: 'tables as Markdown' },
  },
  async (options, own) => {
    const { half, data } = own;
    if (half !== 'held-out' && half !== 'all') {
      throw new InvalidArgumentError(`--half is ${half}; give held-out or all.`);
    }
    const numbers = (name: 'budgets' | 'ranks'): number[] =>
      own[name].split(',').map((text) => numberOf(name, text, 1));
    const model = options.model ?? 'smollm2-135m-instruct';
    const outcome = emptyOutcome(model);
    if (!isWanted('quality', options, outcome)) return outcome;
    if (data === undefined) {
      throw new InvalidArgumentError('Give --data: files or folders of questions.');
    }
    await using open = await embedderOf(own.embedder, (problem) => {
      outcome.skipped.push(`dense and hybrid search: ${problem}`);
    });
    await quality(
      { ...options, model },
      {
        data: data.split(','),
        embedder: open?.embedder,
        chunkTokens: numberOf('chunk-tokens', own['chunk-tokens'], 4),
        budgets: numbers('budgets'),
        ranks: numbers('ranks'),
        half,
        plain: own.plain,
        limit: own.limit === undefined ? Infinity : numberOf('limit', own.limit, 1),
        passages: own.passages === undefined ? Infinity : numberOf('passages', own.passages, 1),
        enrich: listed(own.enrich).map((name) => {
          const known = askedFields.find((field) => field === name);
          if (known) return known;
          throw new InvalidArgumentError(
            `--enrich has "${name}"; there are ${askedFields.join(', ')}.`,
          );
        }),
        rerank: rerankerKinds(listed(own.rerank)),
        pool: numberOf('pool', own.pool, 1),
        cache: own.cache ?? join(homedir(), '.cache', 'chunkweave', 'bench-retrieval'),
        format: own.markdown ? 'markdown' : 'text',
      },
      outcome,
    );
    return outcome;
  },
);

const listed = (names: string | undefined): string[] => names?.split(',') ?? [];

async function embedderOf(
  name: string,
  skip: (problem: string) => void,
): Promise<OpenEmbedder | undefined> {
  if (name === 'none') {
    skip('--embedder is none');
    return undefined;
  }
  try {
    return await openEmbedder(name);
  } catch (error) {
    skip(error instanceof Error ? error.message : String(error));
    return undefined;
  }
}
