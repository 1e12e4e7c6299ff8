import { mean, median } from '../../../lib/evaluate/index.js';
import { readCandidates } from '../../../lib/index.js';
import { areaUnderRoc } from './kendall.js';
import type { SelectionLab } from './lab.js';
import type { JudgedCase } from './questions.js';

export interface Reading {
  readonly questions: number;
  /** Layer-tokens of the pass in those of a full prefill: of the best 8, and of all candidates. */
  readonly shareOfPrompt: number;
  readonly shareOfAll: number;
  /** Milliseconds, medians: putting KV in place, and the pass. */
  readonly placeMs: number;
  readonly computeMs: number;
  /** How well {@link CandidateReading.evidence} tells questions from those of other corpora: 0.5 is chance, 1 always. */
  readonly answerable: number;
  /** Mean share to compute again. */
  readonly ratio: number;
}

/** What one pass over the candidates costs, and whether it tells that passages do not answer. */
export async function reading(
  lab: SelectionLab,
  cases: readonly JudgedCase[],
  { candidates: k }: { readonly candidates: number },
): Promise<Reading> {
  const { layers } = lab.engine.model;
  const prompt: number[] = [];
  const all: number[] = [];
  const place: number[] = [];
  const compute: number[] = [];
  const ratios: number[] = [];
  const own: number[] = [];
  const foreign: number[] = [];
  for (const item of cases) {
    const { weave, retriever } = await lab.corpus(item);
    const candidates = await retriever.search(item.question, { k });
    if (candidates.length === 0) continue;
    const common = { probe: weave.probe, candidates, missing: 'encode' } as const;
    await readCandidates({ ...common, question: item.question });
    const { work, evidence, ratio } = await readCandidates({ ...common, question: item.question });
    const tokens = candidates.map(({ chunk }) => lab.layout.passage(chunk).length);
    const base = lab.layout.prefix.length;
    prompt.push(work.layerTokens / (layers * (base + sum(tokens.slice(0, 8)))));
    all.push(work.layerTokens / (layers * (base + sum(tokens))));
    place.push(work.placeMs);
    compute.push(work.computeMs);
    ratios.push(ratio);
    own.push(evidence);
    const other = cases.find(({ corpus }) => corpus !== item.corpus);
    if (!other) continue;
    foreign.push((await readCandidates({ ...common, question: other.question })).evidence);
  }
  return {
    questions: own.length,
    shareOfPrompt: mean(prompt),
    shareOfAll: mean(all),
    placeMs: median(place),
    computeMs: median(compute),
    answerable: areaUnderRoc(own, foreign),
    ratio: mean(ratios),
  };
}

function sum(list: readonly number[]): number {
  return list.reduce((total, one) => total + one, 0);
}
