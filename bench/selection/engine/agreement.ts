import { mean, median } from '../../../lib/evaluate/index.js';
import type { Chunk, Weave } from '../../../lib/index.js';
import { seededInteger, seededRandom } from '../../../lib/random.js';
import { likelihoodScore } from '../../../lib/select/values/question-likelihood.js';
import { FullPrefills } from './full-prefills.js';
import { kendall } from './kendall.js';
import type { BenchWarmup, SelectionLab } from './lab.js';
import type { JudgedCase } from './questions.js';

export interface AgreementOptions {
  readonly seed: number;
  /** Sets a question, of 1 to `most` of the best `candidates`. */
  readonly sets: number;
  readonly most: number;
  readonly candidates: number;
  /** What passages are encoded after, and shares of a set that an evaluation computes again: all pairs are measured. */
  readonly warmups: readonly BenchWarmup[];
  readonly refresh: readonly number[];
  readonly log: (line: string) => void;
}

export interface Agreement {
  readonly questions: number;
  /** Mean over questions of Kendall's tau-b between values on woven and on fully prefilled sets; higher is better. */
  readonly kendall: number;
  /** The same over pairs whose full values differ by more than the `floor`, and by more than 0.05 nats a token. */
  readonly kendallAboveFloor: number;
  readonly kendallAbove005: number;
  /** Greatest difference of values that should be equal: of one passage right behind the prefix, nats a token. */
  readonly floor: number;
  /** Mean difference of values, nats a token. */
  readonly off: number;
  /** Share of questions for which both name the same best set. */
  readonly sameBest: number;
  /** What choosing by woven values loses, in what choosing the best set gains over one by chance. */
  readonly lost: number;
  /** Median over questions: evaluating a woven set of the best 8, by time and by rows, in a full prefill's of it. */
  readonly timeShare: number;
  readonly rowShare: number;
}

/** What is made of the losses of a question's tokens behind a set and without one. */
const forms: Readonly<Record<string, (losses: Float32Array, alone: Float32Array) => number>> = {
  likelihood: (losses) => likelihoodScore(losses, undefined, 'none'),
  gains: (losses, alone) => likelihoodScore(losses, alone, 'gains'),
  // The first word of a question is foretold by the text's style more than by what it says.
  'less first token': (losses) => likelihoodScore(losses.subarray(1), undefined, 'none'),
};

interface Full {
  readonly sets: readonly Float32Array[];
  readonly alone: Float32Array;
  /** Which sets are one passage. */
  readonly isSingle: readonly boolean[];
}

interface Seen {
  readonly woven: (readonly Float32Array[])[];
  readonly times: number[];
  readonly rows: number[];
}

/** Holds values of woven sets against those of the same sets prefilled in full, by how the sets are made and what is made of losses. */
export async function agreement(
  lab: SelectionLab,
  cases: readonly JudgedCase[],
  { seed, sets: count, most, candidates, warmups, refresh, log }: AgreementOptions,
): Promise<Record<string, Agreement>> {
  const random = seededRandom(seed);
  const full: Full[] = [];
  const seen: Record<string, Seen> = {};
  for (const item of cases) {
    const { retriever } = await lab.corpus(item);
    const { question } = item;
    const found = await retriever.search(question, { k: Math.max(8, candidates) });
    const chunks = found.map(({ chunk }) => chunk);
    if (chunks.length < 4) continue;
    const near = chunks.slice(0, candidates);
    const eight = chunks.slice(0, 8);
    const sets = Array.from({ length: count }, () =>
      someOf(near, 1 + seededInteger(random, Math.min(most, near.length)), random),
    );
    {
      const longest = Math.max(...near.map((chunk) => lab.layout.passage(chunk).length));
      const cells = lab.layout.prefix.length + (count * most + 1) * (longest + 64);
      await using prefills = await FullPrefills.open(lab.engine, lab.layout, { question, cells });
      const own: Float32Array[] = [];
      for (const set of sets) own.push(await prefills.losses(set));
      const alone = await prefills.losses([]);
      full.push({ sets: own, alone, isSingle: sets.map(({ length }) => length === 1) });
    }
    const { ms, tokens } = await prefillOf(lab, eight, question);
    for (const warmup of warmups) {
      await using warmed = await lab.warmed(item, warmup, near);
      for (const share of refresh) {
        const { probe }: Pick<Weave, 'probe'> = warmed.weave;
        const asked = { question, refresh: share };
        const { sets: losses } = await probe.losses(sets, asked);
        // Nothing is left to be looked at or read when time is taken.
        await probe.losses([eight], asked);
        const start = performance.now();
        const { work } = await probe.losses([eight], asked);
        const wovenMs = performance.now() - start;
        const into = (seen[`${warmup}, ${share} again`] ??= { woven: [], times: [], rows: [] });
        into.woven.push(losses);
        into.times.push(wovenMs / ms);
        into.rows.push(work.layerTokens / (tokens * lab.engine.model.layers));
      }
    }
    log(`agreement: ${full.length} questions`);
  }
  const outcomes: Record<string, Agreement> = {};
  for (const [form, valueOf] of Object.entries(forms)) {
    const values = (sets: readonly Float32Array[], q: number): number[] =>
      sets.map((losses) => valueOf(losses, (full[q] as Full).alone));
    const wanted = full.map(({ sets }, q) => values(sets, q));
    // One passage right behind the prefix has the same KV either way.
    const exact = seen[`prefix, ${refresh[0]} again`]?.woven.map(values) ?? [];
    const floor = exact
      .flatMap((own, q) =>
        own.map((value, i) =>
          full[q]?.isSingle[i] ? Math.abs(value - (wanted[q]?.[i] as number)) : 0,
        ),
      )
      .reduce((most, off) => Math.max(most, off), 0);
    for (const [name, one] of Object.entries(seen)) {
      outcomes[`${name}, ${form}`] = outcomeOf(one, one.woven.map(values), wanted, floor);
    }
  }
  return outcomes;
}

function outcomeOf(
  { times, rows }: Seen,
  woven: readonly number[][],
  full: readonly number[][],
  floor: number,
): Agreement {
  const pairs = woven.map((own, q): [number[], number[]] => [own, full[q] as number[]]);
  const taus = (least: number): number[] =>
    pairs.map(([own, its]) => kendall(own, its, least)).filter(Number.isFinite);
  return {
    questions: woven.length,
    kendall: mean(taus(0)),
    kendallAboveFloor: mean(taus(floor)),
    kendallAbove005: mean(taus(0.05)),
    floor,
    off: mean(pairs.map(([own, its]) => mean(own.map((v, i) => Math.abs(v - (its[i] as number)))))),
    sameBest: mean(pairs.map(([own, its]) => (bestOf(own) === bestOf(its) ? 1 : 0))),
    lost: mean(
      pairs.map(([own, its]) => {
        const best = Math.max(...its);
        return (best - (its[bestOf(own)] as number)) / Math.max(1e-9, best - mean(its));
      }),
    ),
    timeShare: median(times),
    rowShare: median(rows),
  };
}

/** What computing a set and a question in one go takes. */
async function prefillOf(
  lab: SelectionLab,
  set: readonly Chunk[],
  question: string,
): Promise<{ ms: number; tokens: number }> {
  const { ids } = await lab.engine.tokenizer.encode(`Question: ${question.trim()}`);
  const tokens = Int32Array.of(...lab.contextOf(set), ...ids);
  await using arena = await lab.engine.createArena({ cells: tokens.length });
  using sequence = arena.createSequence();
  const start = performance.now();
  await sequence.append(tokens, { logits: 'none', losses: true });
  return { ms: performance.now() - start, tokens: tokens.length };
}

function someOf<T>(list: readonly T[], count: number, random: () => number): T[] {
  const places = new Set<number>();
  while (places.size < count) places.add(seededInteger(random, list.length));
  // In the order of their ranks, so that a set has one layout.
  return [...places].sort((a, b) => a - b).map((place) => list[place] as T);
}

function bestOf(values: readonly number[]): number {
  return values.indexOf(Math.max(...values));
}
