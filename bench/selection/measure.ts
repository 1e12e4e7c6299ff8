import {
  rankOrder,
  type Selection,
  type Selector,
  type SetValue,
  tokensCost,
} from '../../lib/index.js';
import { mean } from '../../lib/evaluate/index.js';
import { type Instance, valueOf, worthOf } from './instances.js';
import { type Optimum, optimumOf } from './optimum.js';

export interface Case {
  readonly instance: Instance;
  readonly optimum: Optimum;
}

/** With the best set, where one worth more than 0 is there and proven. */
export function caseOf(instance: Instance): Case | undefined {
  const optimum = optimumOf(instance);
  return optimum.isProven && optimum.worth > 0 ? { instance, optimum } : undefined;
}

export interface Row {
  /** What is missing to the optimum, as a share of it; nothing chosen is 1, worse than nothing is more. */
  readonly regret: number;
  readonly selection: Selection;
  readonly ms: number;
}

/** @param value what the selector goes by; default what sets are worth. */
export async function rowsOf(
  selector: Selector,
  cases: readonly Case[],
  value?: SetValue,
): Promise<Row[]> {
  const rows: Row[] = [];
  for (const { instance, optimum } of cases) {
    const { candidates, budget, question } = instance;
    const start = performance.now();
    const selection = await selector.select({
      question,
      candidates,
      budget,
      cost: tokensCost(),
      value: value ?? valueOf(instance),
      order: rankOrder,
    });
    const ms = performance.now() - start;
    const worth = worthOf(instance, placesOf(instance, selection));
    rows.push({ regret: 1 - worth / optimum.worth, selection, ms });
  }
  return rows;
}

export function placesOf({ candidates }: Instance, { chunks }: Selection): number[] {
  return chunks.map((chunk) => candidates.indexOf(chunk));
}

/** The form of least mean regret. */
export async function bestForm(
  forms: Readonly<Record<string, Selector>>,
  cases: readonly Case[],
): Promise<{ readonly form: string; readonly selector: Selector }> {
  const [first, ...others] = Object.entries(forms);
  let best = first as [string, Selector];
  if (others.length === 0) return { form: best[0], selector: best[1] };
  let least = Infinity;
  for (const [form, selector] of Object.entries(forms)) {
    const regret = mean((await rowsOf(selector, cases)).map((row) => row.regret));
    if (regret >= least) continue;
    least = regret;
    best = [form, selector];
  }
  return { form: best[0], selector: best[1] };
}
