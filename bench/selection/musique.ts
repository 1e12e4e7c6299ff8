import { readFile } from 'node:fs/promises';
import {
  coragSelector,
  coverageValue,
  gradientSelector,
  greedySelector,
  topKSelector,
} from '../../lib/index.js';
import { halfOf, mean } from '../../lib/evaluate/index.js';
import { readCases } from '../fidelity/data.js';
import { round } from '../harness.js';
import { contenders } from './contenders.js';
import { bestForm, type Case, caseOf, placesOf, type Row, rowsOf } from './measure.js';
import { type QuestionInstance, questionInstance } from './question-instance.js';
import type { SelectionBench } from './part.js';

const budgets = [300, 600, 1200] as const;
const evaluations = 60;

interface QuestionCase extends Case {
  readonly instance: QuestionInstance;
}

/**
 * Selectors on real questions: candidates by BM25, a value made of the question's terms, the answer and what links them
 * (see `questionInstance`), no engine. Beside them stand selectors that know nothing of the answer (`by-terms`): the first
 * candidates, and those that go by how many of the question's terms a set has. Forms are chosen on the questions of one half, figures are those of the other.
 */
export const musique: SelectionBench = async ({ options, data, outcome: { figures }, skip }) => {
  if (!(await readFile(data).then(Boolean, () => false))) return skip(`${data} is not there`);
  const questions = await readCases(data);
  for (const budget of budgets) {
    const cases: Record<'search' | 'held-out', QuestionCase[]> = { search: [], 'held-out': [] };
    let unproven = 0;
    for (const question of questions) {
      const instance = await questionInstance(question, budget);
      if (!instance) continue;
      const found = caseOf(instance);
      if (found) cases[halfOf(question.question)].push({ ...found, instance });
      else unproven++;
    }
    if (unproven > 0) skip(`${unproven} questions at ${budget} tokens: no proven best set`);
    const [search, report] = [cases.search, cases['held-out']];
    if (search.length === 0 || report.length === 0) {
      skip(`${budget} tokens: too few questions`);
      continue;
    }
    const name = `musique.${budget}`;
    figures[`${name}.questions`] = report.length;
    figures[`${name}.optimum.recall`] = round(
      mean(report.map(({ instance, optimum }) => recallOf(instance, optimum.members))),
    );
    const recallOfRows = (rows: readonly Row[]): number =>
      mean(
        rows.map(({ selection }, i) => {
          const { instance } = report[i] as QuestionCase;
          return recallOf(instance, placesOf(instance, selection));
        }),
      );
    for (const [kind, selector] of Object.entries({
      top: topKSelector(),
      gradient: gradientSelector(),
      greedy: greedySelector({ by: 'value', evaluations }),
      corag: coragSelector({ evaluations }),
    })) {
      const rows = await rowsOf(selector, report, coverageValue());
      figures[`${name}.by-terms.${kind}.recall`] = round(recallOfRows(rows));
      figures[`${name}.by-terms.${kind}.tokens`] = round(
        mean(rows.map((row) => row.selection.cost)),
      );
    }
    for (const [kind, forms] of Object.entries(contenders(evaluations))) {
      const { form, selector } = await bestForm(forms, search);
      const rows = await rowsOf(selector, report);
      const recall = recallOfRows(rows);
      figures[`${name}.${kind}.regret`] = round(mean(rows.map((row: Row) => row.regret)));
      figures[`${name}.${kind}.recall`] = round(recall);
      options.log(`  ${budget} tokens, ${kind} (${form}): recall ${round(recall)}`);
    }
  }
};

/** Share of what supports the answer that a set has: a chunk with the answer, and one that links to it, if there is one. */
function recallOf({ support }: QuestionInstance, members: readonly number[]): number {
  const found = support.filter((places) => places.some((place) => members.includes(place)));
  return found.length / support.length;
}
