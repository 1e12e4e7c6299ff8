import { answerF1, mean, tokenLosses } from '../../../lib/evaluate/index.js';
import { decodeAll, type Selector } from '../../../lib/index.js';
import { answerRows } from '../../fidelity/answer-rows.js';
import type { SelectionLab } from './lab.js';
import { type JudgedCase, recallOf } from './questions.js';

export interface AnswersArm {
  /** Of the right answer, nats a token. */
  readonly nll: number;
  readonly f1: number;
  readonly recall: number;
  /** Milliseconds that choosing took. */
  readonly selectMs: number;
}

/**
 * What answers a model gives from what selectors chose, at equal budgets of tokens. Prompts are prefilled in full, so that
 * nothing but the choice differs.
 */
export async function answersBySelector(
  lab: SelectionLab,
  cases: readonly JudgedCase[],
  selectors: Readonly<Record<string, Selector>>,
  budgets: readonly number[],
): Promise<Record<string, AnswersArm>> {
  const { engine } = lab;
  const seen: Record<string, { -readonly [name in keyof AnswersArm]: number[] }> = {};
  for (const item of cases) {
    const { weave, retriever } = await lab.corpus(item);
    const { question, answers } = item;
    const found = await retriever.search(question, { k: 20 });
    if (found.length === 0) continue;
    const gold = (await engine.tokenizer.encode(` ${answers[0] ?? ''}`)).ids.slice(0, 24);
    if (gold.length === 0) continue;
    for (const tokens of budgets) {
      for (const [name, selector] of Object.entries(selectors)) {
        const start = performance.now();
        const prompt = await weave.prompt(question, { selector, budget: { tokens } });
        const selectMs = performance.now() - start;
        const ids = new Set(prompt.sources.map(({ chunkId }) => chunkId));
        const chosen = found.map(({ chunk }) => chunk).filter(({ id }) => ids.has(id));
        await using arena = await engine.createArena({ cells: prompt.tokens.length + 64 });
        using sequence = arena.createSequence();
        const { logits } = await sequence.append(prompt.tokens);
        const first = logits?.values ?? new Float32Array(0);
        using fork = sequence.fork();
        const { text } = await decodeAll({ engine, sequence: fork, logits: first, maxTokens: 32 });
        const rows = await answerRows(sequence, first, gold);
        const arm = (seen[`${name} at ${tokens}`] ??= {
          nll: [],
          f1: [],
          recall: [],
          selectMs: [],
        });
        arm.nll.push(mean(tokenLosses(rows, gold)));
        arm.f1.push(answerF1(text.trim(), answers));
        arm.recall.push(recallOf(item, chosen));
        arm.selectMs.push(selectMs);
      }
    }
  }
  return Object.fromEntries(
    Object.entries(seen).map(([name, { nll, f1, recall, selectMs }]) => [
      name,
      { nll: mean(nll), f1: mean(f1), recall: mean(recall), selectMs: mean(selectMs) },
    ]),
  );
}
