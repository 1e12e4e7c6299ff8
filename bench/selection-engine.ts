import {
  coragPublished,
  coragSelector,
  gradientSelector,
  greedySelector,
  InvalidArgumentError,
  topKSelector,
} from '../lib/index.js';
import { atLeast, atMost, benchWith, emptyOutcome, isWanted, round } from './harness.js';
import { numberOf } from './fidelity/number-of.js';
import { openEmbedder } from './retrieval/embedders.js';
import { agreement } from './selection/engine/agreement.js';
import { answerableArms, answerablePairs, passMs } from './selection/engine/answerable.js';
import { answersBySelector } from './selection/engine/answers.js';
import { cachePart } from './selection/engine/cache-part.js';
import { benchWarmups, sampled, SelectionLab } from './selection/engine/lab.js';
import { readJudged } from './selection/engine/questions.js';
import { reading } from './selection/engine/reading.js';
import { rerankingArms, scoreCandidates } from './selection/engine/reranking.js';
import { sharedCells } from './selection/engine/shared-cells.js';
import { siblings } from './selection/engine/siblings.js';

/** Parts of the selection bench that need a model's cached chunks: values, reranking, one pass over candidates, cache-aware cost. */
export const selectionEngine = benchWith(
  {
    data: { type: 'string', value: 'PATH', help: 'questions: see bench/fidelity/data.ts' },
    limit: { type: 'string', value: 'N', default: '20', help: 'questions' },
    seed: { type: 'string', value: 'S', default: '1', help: 'picks questions and sets' },
    'chunk-tokens': { type: 'string', value: 'N', default: '150', help: 'tokens of a passage' },
    candidates: { type: 'string', value: 'N', default: '20', help: 'what is retrieved' },
    embedder: {
      type: 'string',
      value: 'MODEL',
      default: 'none',
      help: 'that orders candidates beside the rest (rerank)',
    },
    budgets: {
      type: 'string',
      value: 'N,…',
      default: '300,600,1200',
      help: 'tokens of passages (answers, shared)',
    },
    sets: { type: 'string', value: 'N', default: '16', help: 'sets a question (agreement)' },
    trace: { type: 'string', value: 'N', default: '2000', help: 'questions of the trace (cache)' },
    traces: { type: 'string', value: 'N', default: '3', help: 'traces that are averaged (cache)' },
    'ms-per-token': {
      type: 'string',
      value: 'MS',
      default: '4',
      help: 'of computing a token, where times are predicted (cache)',
    },
    warmups: {
      type: 'string',
      value: 'A,…',
      default: 'prefix',
      help: 'of prefix, document, neighbours (agreement)',
    },
    again: {
      type: 'string',
      value: 'SHARE,…',
      default: '0,0.03',
      help: 'of a set that an evaluation computes again (agreement)',
    },
    cache: { type: 'string', value: 'DIR', help: 'where KV of passages is kept between runs' },
  },
  async (options, own) => {
    if (own.data === undefined) {
      throw new InvalidArgumentError('Give --data: a file or folder of questions.');
    }
    const number = (
      name: Exclude<keyof typeof own, 'data' | 'cache' | 'warmups' | 'again' | 'budgets'>,
    ) => numberOf(name, own[name], 1);
    const seed = number('seed');
    const budgets = own.budgets.split(',').map((text) => numberOf('budgets', text, 1));
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
      const warmups = own.warmups.split(',').map((name) => {
        const known = benchWarmups.find((each) => each === name);
        if (known) return known;
        throw new InvalidArgumentError(
          `--warmups has "${name}"; there are ${benchWarmups.join(', ')}.`,
        );
      });
      const found = await agreement(lab, cases, {
        seed,
        sets: number('sets'),
        most: 5,
        candidates: Math.min(12, candidates),
        warmups,
        refresh: own.again.split(',').map((text) => numberOf('again', text, 0)),
        log: options.log,
      });
      for (const [name, one] of Object.entries(found)) {
        note(`agreement ${name}`, one);
        goals[`${name}: rank agreement`] = atLeast(one.kendall, 0.9);
        goals[`${name}: time of an evaluation`] = atMost(one.timeShare, 0.05);
        goals[`${name}: rows of an evaluation`] = atMost(one.rowShare, 0.05);
      }
    }
    if (isWanted('rerank', options, outcome)) {
      await using open = own.embedder === 'none' ? undefined : await openEmbedder(own.embedder);
      const scored = await scoreCandidates(lab, cases, {
        candidates,
        embedder: open?.embedder,
        log: options.log,
      });
      const arms = rerankingArms(scored);
      figures['rerank questions'] = scored.filter(({ half }) => half === 'held-out').length;
      for (const [name, arm] of Object.entries(arms)) note(`rerank ${name}`, arm);
      for (const name of ['likelihood', 'likelihood with bm25', 'calibrated with bm25']) {
        goals[`${name} lifts MRR`] = atLeast(arms[name]?.low ?? -1, 0);
      }
    }
    if (isWanted('reading', options, outcome)) {
      const found = await reading(lab, cases, { candidates: Math.max(candidates, 100) });
      note('reading', found);
      goals['pass over candidates, of the prompt'] = atMost(found.shareOfPrompt, 0.02);
    }
    if (isWanted('siblings', options, outcome)) {
      note('siblings', await siblings(lab, cases, { common: 4, sets: 12 }));
    }
    if (isWanted('shared', options, outcome)) {
      for (const budget of budgets) {
        for (const [name, selector] of Object.entries({
          greedy: greedySelector(),
          'corag published': coragSelector(coragPublished),
          corag: coragSelector(),
        })) {
          const found = await sharedCells(lab, cases, selector, { candidates, budget });
          note(`shared ${name} at ${budget}`, found);
        }
      }
    }
    if (isWanted('answerable', options, outcome)) {
      const pairs = await answerablePairs(lab, cases, { candidates, log: options.log });
      if (pairs.length === 0) outcome.skipped.push('answerable: no question has its answer found');
      else {
        figures['answerable pass ms'] = round(passMs(pairs));
        for (const [name, arm] of Object.entries(answerableArms(pairs))) {
          note(`answerable ${name}`, arm);
        }
      }
    }
    if (isWanted('cache', options, outcome)) {
      const { arms, price } = await cachePart(lab, all, {
        candidates,
        msPerToken: number('ms-per-token'),
        length: number('trace'),
        seed,
        traces: number('traces'),
      });
      figures['cache price a token'] = price;
      for (const [name, arm] of Object.entries(arms)) note(`cache ${name}`, arm);
      const plain = arms['held-out: best 8'];
      const aware = arms[`held-out: priced ${price} at 1`];
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
        { budgets, candidates, log: options.log },
      );
      for (const [name, arm] of Object.entries(arms)) note(`answers ${name}`, arm);
    }
    return outcome;
  },
);
