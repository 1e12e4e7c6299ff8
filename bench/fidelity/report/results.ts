import { canonical, type Cell, type Json } from '../../../lib/evaluate/index.js';
import { InvalidArgumentError } from '../../../lib/index.js';
import type { Arm } from '../arms.js';
import type { ArmResult } from '../lab.js';

/** What one arm gave, by case. */
export interface ArmResults {
  readonly arm: Arm;
  readonly byCase: ReadonlyMap<string, ArmResult>;
}

/**
 * Results by arm, in the order in which arms came up first.
 * @throws InvalidArgumentError for arms of another kind
 */
export function resultsByArm(cells: readonly Cell<ArmResult>[]): ArmResults[] {
  const arms = new Map<string, { arm: Arm; byCase: Map<string, ArmResult> }>();
  for (const { case: id, arm, result } of cells) {
    const key = canonical(arm);
    const known = arms.get(key) ?? { arm: armOf(arm), byCase: new Map<string, ArmResult>() };
    arms.set(key, known);
    known.byCase.set(id, result);
  }
  return [...arms.values()];
}

function armOf(value: Json): Arm {
  const { warmup, policy, ratio } = { ...(value as object) } as Partial<Record<keyof Arm, unknown>>;
  if (typeof warmup === 'string' && typeof policy === 'string' && typeof ratio === 'number') {
    return { warmup, policy, ratio };
  }
  throw new InvalidArgumentError(
    `${JSON.stringify(value)} is no arm of the fidelity bench: give warmup, policy and ratio.`,
  );
}

/** Values of both, of the cases that both have. */
export function paired(
  a: ArmResults,
  b: ArmResults,
): { readonly a: ArmResult[]; readonly b: ArmResult[] } {
  const both = { a: [] as ArmResult[], b: [] as ArmResult[] };
  for (const [id, result] of a.byCase) {
    const other = b.byCase.get(id);
    if (!other) continue;
    both.a.push(result);
    both.b.push(other);
  }
  return both;
}

/** Time to first token as a share of the full prefill's. */
export function timeShare({ ttftMs, fullMs }: ArmResult): number {
  return ttftMs / fullMs;
}
