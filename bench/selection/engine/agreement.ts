import { mean, median } from '../../../lib/evaluate/index.js';
import type { Chunk } from '../../../lib/index.js';
import { seededInteger, seededRandom } from '../../../lib/random.js';
import { kendall } from './kendall.js';
import type { SelectionLab } from './lab.js';
import type { JudgedCase } from './questions.js';

export interface AgreementOptions {
  readonly seed: number;
  /** Sets a question, of 1 to `most` of the best `candidates`. */
  readonly sets: number;
  readonly most: number;
  readonly candidates: number;
}

export interface Agreement {
  readonly questions: number;
  /** Mean over questions of Kendall's tau between values on woven and on fully prefilled sets; higher is better. */
  readonly kendall: number;
  /** Share of questions for which both name the same best set. */
  readonly sameBest: number;
  /** Median over questions: evaluating a woven set of the best 8, by time and by rows, in a full prefill's of it. */
  readonly timeShare: number;
  readonly rowShare: number;
}

/** Holds values of woven sets against those of the same sets prefilled in full. */
export async function agreement(
  lab: SelectionLab,
  cases: readonly JudgedCase[],
  { seed, sets: count, most, candidates }: AgreementOptions,
): Promise<Agreement> {
  const random = seededRandom(seed);
  const taus: number[] = [];
  const best: number[] = [];
  const times: number[] = [];
  const rows: number[] = [];
  for (const item of cases) {
    const { weave, retriever } = await lab.corpus(item);
    const { question } = item;
    const found = await retriever.search(question, { k: Math.max(8, candidates) });
    const chunks = found.map(({ chunk }) => chunk);
    if (chunks.length < 4) continue;
    const near = chunks.slice(0, candidates);
    const sets = Array.from({ length: count }, () =>
      someOf(near, 1 + seededInteger(random, Math.min(most, near.length)), random),
    );
    const woven = await weave.probe.losses(sets, { question });
    const full: number[] = [];
    for (const set of sets) full.push((await fullLoss(lab, set, question)).loss);
    const loss = woven.sets.map((losses) => mean(losses));
    const tau = kendall(loss, full);
    if (Number.isFinite(tau)) taus.push(tau);
    best.push(leastOf(loss) === leastOf(full) ? 1 : 0);

    const eight = chunks.slice(0, 8);
    await weave.probe.losses([eight], { question });
    const start = performance.now();
    const { work } = await weave.probe.losses([eight], { question });
    const wovenMs = performance.now() - start;
    const { ms, tokens } = await fullLoss(lab, eight, question);
    times.push(wovenMs / ms);
    rows.push(work.layerTokens / (tokens * lab.engine.model.layers));
  }
  return {
    questions: taus.length,
    kendall: mean(taus),
    sameBest: mean(best),
    timeShare: median(times),
    rowShare: median(rows),
  };
}

/** Mean loss of the question's tokens where everything before them is computed in one go. */
async function fullLoss(
  lab: SelectionLab,
  set: readonly Chunk[],
  question: string,
): Promise<{ loss: number; ms: number; tokens: number }> {
  const { tokenizer } = lab.engine;
  const before = (await tokenizer.encode('Question:')).ids;
  const own = (await tokenizer.encode(` ${question.trim()}`)).ids;
  const tokens = Int32Array.of(...lab.contextOf(set), ...before, ...own);
  await using arena = await lab.engine.createArena({ cells: tokens.length });
  using sequence = arena.createSequence();
  const head = tokens.length - own.length - 1;
  const start = performance.now();
  await sequence.append(tokens.slice(0, head), { logits: 'none' });
  const { losses } = await sequence.append(tokens.slice(head), { logits: 'none', losses: true });
  const ms = performance.now() - start;
  return { loss: mean(losses?.slice(0, -1) ?? []), ms, tokens: tokens.length };
}

function someOf<T>(list: readonly T[], count: number, random: () => number): T[] {
  const places = new Set<number>();
  while (places.size < count) places.add(seededInteger(random, list.length));
  // In the order of their ranks, so that a set has one layout.
  return [...places].sort((a, b) => a - b).map((place) => list[place] as T);
}

function leastOf(values: readonly number[]): number {
  return values.indexOf(Math.min(...values));
}
