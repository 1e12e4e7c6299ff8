import { InvalidArgumentError, type KvArena, type KvSequence, type Span } from '../../lib/index.js';
import type { Arm } from '../fidelity/arms.js';
import type { FidelityLab, PreparedCase } from '../fidelity/lab.js';
import type { FidelityCase } from '../fidelity/prompts.js';
import type { ClaimArm, ClaimResult, Measure } from './claim.js';
import { layerRanks } from './layer-ranks.js';
import { passageImpacts } from './passage-impacts.js';

/** A case of the fidelity bench, and its full prefill from when something is first measured on it. */
export interface PreparedClaims {
  readonly fidelity: PreparedCase;
  exact?: KvSequence;
}

export class ReproductionLab {
  readonly #lab: FidelityLab;
  readonly #arena: KvArena;

  constructor(lab: FidelityLab, arena: KvArena) {
    this.#lab = lab;
    this.#arena = arena;
  }

  async prepare(item: FidelityCase): Promise<PreparedClaims> {
    return { fidelity: await this.#lab.prepare(item) };
  }

  async run(prepared: PreparedClaims, arm: ClaimArm, item: FidelityCase): Promise<ClaimResult> {
    return 'measure' in arm
      ? this.#measure(prepared, arm, item)
      : this.#lab.run(prepared.fidelity, arm satisfies Arm, item);
  }

  async release({ exact }: PreparedClaims): Promise<void> {
    exact?.dispose();
  }

  async #measure(
    prepared: PreparedClaims,
    { measure, warmup }: Measure,
    item: FidelityCase,
  ): Promise<ClaimResult> {
    const { fidelity } = prepared;
    const pieces = await this.#lab.encode(fidelity, warmup, item);
    const spans = spansOf(item, fidelity.prompt.length);
    const exact = (prepared.exact ??= await this.#prefill(fidelity.prompt));
    if (measure === 'passage-impacts') {
      return passageImpacts(exact, spans, pieces, fidelity, item);
    }
    const passages = [];
    // The first passage is exact where nothing but the prefix was seen.
    for (const [i, span] of spans.entries()) {
      const cached = pieces[i]?.kv;
      if (!cached) throw new InvalidArgumentError(`Passage ${i} was not encoded.`);
      if (i > 0) passages.push({ cached, fresh: await exact.capture(span) });
    }
    return layerRanks(passages);
  }

  async #prefill(prompt: Int32Array): Promise<KvSequence> {
    const sequence = this.#arena.createSequence();
    try {
      await sequence.append(prompt, { logits: 'none' });
      return sequence;
    } catch (error) {
      sequence.dispose();
      throw error;
    }
  }
}

/** Passages end where the question begins. */
function spansOf({ pieces, ask }: FidelityCase, length: number): Span[] {
  let at = length - ask.length - pieces.reduce((sum, { tokens }) => sum + tokens.length, 0);
  return pieces.map(({ tokens }) => ({ start: at, end: (at += tokens.length) }));
}
