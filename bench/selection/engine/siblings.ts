import { median } from '../../../lib/evaluate/index.js';
import type { Chunk, ProbeWork, Weave } from '../../../lib/index.js';
import type { SelectionLab } from './lab.js';
import type { JudgedCase } from './questions.js';

export interface SiblingsOptions {
  /** Passages that all sets of a question begin with, and sets. */
  readonly common: number;
  readonly sets: number;
}

export interface Siblings {
  readonly questions: number;
  /** Cells of passages an evaluation, medians over questions: in one call, in which sets share what they begin with, and one by one. */
  readonly cellsTogether: number;
  readonly cellsApart: number;
  /** Milliseconds an evaluation, likewise: putting passages in their places, computing the question, and all of it. */
  readonly placeTogether: number;
  readonly placeApart: number;
  readonly computeTogether: number;
  readonly computeApart: number;
  readonly totalTogether: number;
  readonly totalApart: number;
  /** Greatest difference of a token's loss between both, nats. */
  readonly off: number;
}

/** What sets save that begin alike, as the children of a tree search do, by being asked in one call. */
export async function siblings(
  lab: SelectionLab,
  cases: readonly JudgedCase[],
  { common, sets: count }: SiblingsOptions,
): Promise<Siblings> {
  const seen: Omit<Siblings, 'questions'>[] = [];
  for (const item of cases) {
    const { weave, retriever } = await lab.corpus(item);
    const { question } = item;
    const found = await retriever.search(question, { k: common + count });
    const chunks = found.map(({ chunk }) => chunk);
    const begin = chunks.slice(0, common);
    const sets = chunks.slice(common).map((chunk) => [...begin, chunk]);
    if (sets.length === 0) continue;
    const tokens = (set: readonly Chunk[]): number =>
      set.reduce((sum, chunk) => sum + lab.layout.passage(chunk).length, 0);
    const apartCells = sets.reduce((sum, set) => sum + tokens(set), 0);
    // Nothing is left to be read or made when time is taken.
    await weave.probe.losses(sets, { question });
    const together = await timed(weave, question, [sets]);
    const apart = await timed(
      weave,
      question,
      sets.map((set) => [set]),
    );
    seen.push({
      cellsTogether: (apartCells - (sets.length - 1) * tokens(begin)) / sets.length,
      cellsApart: apartCells / sets.length,
      placeTogether: together.placeMs / sets.length,
      placeApart: apart.placeMs / sets.length,
      computeTogether: together.computeMs / sets.length,
      computeApart: apart.computeMs / sets.length,
      totalTogether: together.totalMs / sets.length,
      totalApart: apart.totalMs / sets.length,
      off: Math.max(
        ...together.losses.flatMap((own, i) =>
          Array.from(own, (loss, t) => Math.abs(loss - (apart.losses[i]?.[t] as number))),
        ),
      ),
    });
  }
  const of = (measure: keyof (typeof seen)[0]): number => median(seen.map((one) => one[measure]));
  return {
    questions: seen.length,
    cellsTogether: of('cellsTogether'),
    cellsApart: of('cellsApart'),
    placeTogether: of('placeTogether'),
    placeApart: of('placeApart'),
    computeTogether: of('computeTogether'),
    computeApart: of('computeApart'),
    totalTogether: of('totalTogether'),
    totalApart: of('totalApart'),
    off: Math.max(...seen.map(({ off }) => off)),
  };
}

async function timed(
  { probe }: Weave,
  question: string,
  calls: readonly (readonly (readonly Chunk[])[])[],
): Promise<Pick<ProbeWork, 'placeMs' | 'computeMs'> & { totalMs: number; losses: Float32Array[] }> {
  let [placeMs, computeMs] = [0, 0];
  const losses: Float32Array[] = [];
  const start = performance.now();
  for (const sets of calls) {
    const { work, sets: own } = await probe.losses(sets, { question });
    placeMs += work.placeMs;
    computeMs += work.computeMs;
    losses.push(...own);
  }
  return { placeMs, computeMs, totalMs: performance.now() - start, losses };
}
