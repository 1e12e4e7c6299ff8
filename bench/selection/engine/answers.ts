import { answerF1, bootstrapMean, mean, median, tokenLosses } from '../../../lib/evaluate/index.js';
import { decodeAll, type Selection, type Selector } from '../../../lib/index.js';
import { answerRows } from '../../fidelity/answer-rows.js';
import type { SelectionLab } from './lab.js';
import { type JudgedCase, recallOf } from './questions.js';

export interface AnswersArm {
  readonly questions: number;
  /** Of the right answer behind a full prefill of what was chosen, nats a token. */
  readonly nll: number;
  /** That less the NLL of the first arm at the same budget, question by question, with its 95% interval. */
  readonly nllLess: number;
  readonly nllLessLow: number;
  readonly nllLessHigh: number;
  readonly f1: number;
  /** Share of the evidence that is among what was chosen. */
  readonly recall: number;
  /** Of what was chosen. */
  readonly passages: number;
  readonly tokens: number;
  /** Milliseconds, medians: choosing; from the question to the first token, woven, choosing included; computing the same prompt in full. */
  readonly selectMs: number;
  readonly firstTokenMs: number;
  readonly fullMs: number;
}

type Row = Pick<
  AnswersArm,
  'nll' | 'f1' | 'recall' | 'passages' | 'tokens' | 'selectMs' | 'firstTokenMs' | 'fullMs'
>;

/**
 * What answers a model gives from what selectors chose, at equal budgets of tokens, and what choosing takes. Answers are read off
 * prompts that are prefilled in full, so that nothing but the choice differs; times are of woven ones, with keys and values of all
 * candidates at hand.
 */
export async function answersBySelector(
  lab: SelectionLab,
  cases: readonly JudgedCase[],
  selectors: Readonly<Record<string, Selector>>,
  {
    budgets,
    candidates,
    log,
  }: {
    readonly budgets: readonly number[];
    readonly candidates: number;
    readonly log: (line: string) => void;
  },
): Promise<Record<string, AnswersArm>> {
  const { engine } = lab;
  const seen: Record<string, Row[]> = {};
  let questions = 0;
  const [first = ''] = Object.keys(selectors);
  const arms = (): Record<string, AnswersArm> =>
    Object.fromEntries(
      budgets.flatMap((tokens) =>
        Object.keys(selectors).flatMap((name) => {
          const rows = seen[`${name} at ${tokens}`];
          const base = seen[`${first} at ${tokens}`];
          return rows && base ? [[`${name} at ${tokens}`, armOf(rows, base)] as const] : [];
        }),
      ),
    );
  for (const item of cases) {
    const { weave, retriever } = await lab.corpus(item);
    const { question, answers } = item;
    const found = await retriever.search(question, { k: candidates });
    if (found.length === 0) continue;
    const gold = (await engine.tokenizer.encode(` ${answers[0] ?? ''}`)).ids.slice(0, 24);
    if (gold.length === 0) continue;
    // Whoever comes first must not pay for all.
    await weave.probe.losses(
      found.map(({ chunk }) => [chunk]),
      { question },
    );
    for (const tokens of budgets) {
      for (const [name, selector] of Object.entries(selectors)) {
        const kept = keeping(selector);
        const asked = { budget: { tokens }, retrieve: candidates, topK: candidates };
        const answer = await weave.ask(question, { ...asked, selector: kept.asks, maxTokens: 1 });
        const prompt = await weave.prompt(question, { ...asked, selector: kept.repeats });
        const ids = new Set(prompt.sources.map(({ chunkId }) => chunkId));
        const chosen = found.map(({ chunk }) => chunk).filter(({ id }) => ids.has(id));
        await using arena = await engine.createArena({ cells: prompt.tokens.length + 64 });
        using sequence = arena.createSequence();
        const start = performance.now();
        const { logits } = await sequence.append(prompt.tokens);
        const fullMs = performance.now() - start;
        const first = logits?.values ?? new Float32Array(0);
        using fork = sequence.fork();
        const { text } = await decodeAll({ engine, sequence: fork, logits: first, maxTokens: 32 });
        const rows = await answerRows(sequence, first, gold);
        (seen[`${name} at ${tokens}`] ??= []).push({
          nll: mean(tokenLosses(rows, gold)),
          f1: answerF1(text.trim(), answers),
          recall: recallOf(item, chosen),
          passages: chosen.length,
          tokens: chosen.reduce((sum, chunk) => sum + lab.layout.passage(chunk).length, 0),
          selectMs: answer.selection?.milliseconds ?? 0,
          firstTokenMs: answer.timings.firstToken,
          fullMs,
        });
      }
    }
    // A question takes minutes: what is known so far is told, should the run be broken off.
    log(`answers: ${++questions} questions ${JSON.stringify(arms())}`);
  }
  return arms();
}

function armOf(rows: readonly Row[], base: readonly Row[]): AnswersArm {
  const of = (measure: keyof Row): number[] => rows.map((row) => row[measure]);
  const less = bootstrapMean(rows.map(({ nll }, i) => nll - (base[i] as Row).nll));
  return {
    questions: rows.length,
    nll: mean(of('nll')),
    nllLess: less.value,
    nllLessLow: less.low,
    nllLessHigh: less.high,
    f1: mean(of('f1')),
    recall: mean(of('recall')),
    passages: mean(of('passages')),
    tokens: mean(of('tokens')),
    selectMs: median(of('selectMs')),
    firstTokenMs: median(of('firstTokenMs')),
    fullMs: median(of('fullMs')),
  };
}

/** A selector that asks the given one, and another that says again what that said. */
function keeping(selector: Selector): { readonly asks: Selector; readonly repeats: Selector } {
  let said: Selection | undefined;
  const { name } = selector;
  const asks: Selector = {
    name,
    async select(request) {
      said = await selector.select(request);
      return said;
    },
  };
  return { asks, repeats: { name, select: async (request) => said ?? asks.select(request) } };
}
