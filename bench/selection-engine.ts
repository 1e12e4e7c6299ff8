import {
  coragSelector,
  gradientSelector,
  greedySelector,
  InvalidArgumentError,
  topKSelector,
} from '../lib/index.js';
import { atLeast, atMost, benchWith, emptyOutcome, isWanted, round } from './harness.js';
import { numberOf } from './fidelity/number-of.js';
import { agreement } from './selection/engine/agreement.js';
import { answersBySelector } from './selection/engine/answers.js';
import { cachePart } from './selection/engine/cache-part.js';
import { sampled, SelectionLab } from './selection/engine/lab.js';
import { readJudged } from './selection/engine/questions.js';
import { reading } from './selection/engine/reading.js';
import { reranking } from './selection/engine/reranking.js';

/** Parts of the selection bench that need a model's cached chunks: values, reranking, one pass over candidates, cache-aware cost. */
export const selectionEngine = benchWith(
  {
    data: { type: 'string', value: 'PATH', help: 'questions: see bench/fidelity/data.ts' },
    limit: { type: 'string', value: 'N', default: '20', help: 'questions' },
    seed: { type: 'string', value: 'S', default: '1', help: 'picks questions and sets' },
    'chunk-tokens': { type: 'string', value: 'N', default: '150', help: 'tokens of a passage' },
    candidates: { type: 'string', value: 'N', default: '20', help: 'what is retrieved' },
    sets: { type: 'string', value: 'N', default: '16', help: 'sets a question (agreement)' },
    trace: { type: 'string', value: 'N', default: '2000', help: 'questions of the trace (cache)' },
    traces: { type: 'string', value: 'N', default: '3', help: 'traces that are averaged (cache)' },
    'ms-per-token': {
      type: 'string',
      value: 'MS',
      default: '4',
      help: 'of computing a token, where times are predicted (cache)',
    },
    cache: { type: 'string', value: 'DIR', help: 'where KV of passages is kept between runs' },
  },
  async (options, own) => {
    if (own.data === undefined) {
      throw new InvalidArgumentError('Give --data: a file or folder of questions.');
    }
    const number = (name: Exclude<keyof typeof own, 'data' | 'cache'>) =>
      numberOf(name, own[name], 1);
    const seed = number('seed');
    const candidates = number('candidates');
    const outcome = emptyOutcome(options.model ?? 'smollm2-135m-instruct');
    const { figures, goals } = outcome;
    const note = (part: string, found: object): void => {
      for (const [name, value] of Object.entries(found)) figures[`${part} ${name}`] = round(value);
      options.log(`${part}: ${JSON.stringify(found)}`);
    };
    const all = await readJudged(own.data);
    const cases = sampled(all, { limit: number('limit'), seed });
    await using lab = await SelectionLab.open(options, {
      chunkTokens: number('chunk-tokens'),
      cache: own.cache,
    });
    if (isWanted('agreement', options, outcome)) {
      const sets = { seed, sets: number('sets'), most: 5, candidates: Math.min(12, candidates) };
      const found = await agreement(lab, cases, sets);
      note('agreement', found);
      goals['rank agreement'] = atLeast(found.kendall, 0.9);
      goals['time of an evaluation'] = atMost(found.timeShare, 0.05);
      goals['rows of an evaluation'] = atMost(found.rowShare, 0.05);
    }
    if (isWanted('rerank', options, outcome)) {
      const found = await reranking(lab, cases, { candidates });
      note('rerank', found);
      goals['likelihood lifts MRR'] = atLeast((found['likelihood'] ?? 0) - (found['bm25'] ?? 0), 0);
    }
    if (isWanted('reading', options, outcome)) {
      const found = await reading(lab, cases, { candidates: Math.max(candidates, 100) });
      note('reading', found);
      goals['pass over candidates, of the prompt'] = atMost(found.shareOfPrompt, 0.02);
    }
    if (isWanted('cache', options, outcome)) {
      const {
        all: arms,
        heldOut,
        price,
      } = await cachePart(lab, all, {
        candidates,
        msPerToken: number('ms-per-token'),
        length: number('trace'),
        seed,
        traces: number('traces'),
      });
      figures['cache price a token'] = price;
      for (const [name, arm] of Object.entries(arms)) note(`cache ${name}`, arm);
      for (const [name, arm] of Object.entries(heldOut)) note(`cache held out ${name}`, arm);
      const plain = heldOut['best 8'];
      const aware = heldOut['priced at 1'];
      if (plain && aware) {
        goals['predicted time to first token'] = atMost(
          aware.firstTokenMs / plain.firstTokenMs,
          0.7,
        );
        goals['recall of rare questions'] = atLeast(aware.rareRecall - plain.rareRecall, 0);
      }
    }
    if (isWanted('answers', options, outcome)) {
      const arms = await answersBySelector(
        lab,
        cases,
        {
          top: topKSelector(),
          gradient: gradientSelector(),
          greedy: greedySelector(),
          corag: coragSelector(),
        },
        [300, 600, 1200],
      );
      for (const [name, arm] of Object.entries(arms)) note(`answers ${name}`, arm);
    }
    return outcome;
  },
);
