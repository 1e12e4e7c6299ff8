import { InvalidArgumentError } from '../../errors.js';
import { Fit, type Observation } from './fit.js';

/** Tokens that are computed in one go. */
export interface ComputeWork {
  readonly tokens: number;
  /** Tokens before them that they attend to; default 0. */
  readonly before?: number;
}

/** A cost model's observations, as plain JSON. */
export interface CostSnapshot {
  readonly version: 1;
  readonly compute: readonly Observation[];
  /** By the name of the tier. */
  readonly loads: Readonly<Record<string, readonly Observation[]>>;
}

/** Tokens of the run that {@link CostModel.msPerToken} speaks of. */
const typicalTokens = 256;

/**
 * What things take here, from what was measured: computing tokens, and loading bytes from the tiers of a
 * store. Computing is a fixed time, a time for each token and one for each pair of tokens that attend to one
 * another; loading is a fixed time and one for each byte. Predictions are undefined while nothing of their
 * kind was measured; observations that make no sense are passed over.
 */
export class CostModel {
  readonly #compute = new Fit(3, 1);
  readonly #loads = new Map<string, Fit>();
  /** What computing took elsewhere: a guess until something is measured here. */
  #hint: Fit | undefined;

  /** Milliseconds a token, in a run of 256 with nothing before it. */
  get msPerToken(): number | undefined {
    const ms = this.predictCompute({ tokens: typicalTokens });
    return ms === undefined ? undefined : ms / typicalTokens;
  }

  /** @param work what was computed in one batch. */
  observeCompute(work: ComputeWork | readonly ComputeWork[], ms: number): void {
    this.#compute.observe(computeTerms(work), ms);
  }

  /** Used for predictions as long as nothing was measured here, for example what a record says of its making. */
  hintCompute(work: ComputeWork | readonly ComputeWork[], ms: number): void {
    this.#hint ??= new Fit(3, 1);
    this.#hint.observe(computeTerms(work), ms);
  }

  /** Milliseconds that computing in one batch would take. */
  predictCompute(work: ComputeWork | readonly ComputeWork[]): number | undefined {
    const terms = computeTerms(work);
    return this.#compute.predict(terms) ?? this.#hint?.predict(terms);
  }

  /** @param bytes of KV, before any codec. */
  observeLoad(tier: string, bytes: number, ms: number): void {
    let fit = this.#loads.get(tier);
    if (!fit) {
      fit = new Fit(2, 1);
      this.#loads.set(tier, fit);
    }
    fit.observe([1, bytes], ms);
  }

  /** Milliseconds that loading so many bytes of KV, before any codec, would take. */
  predictLoad(tier: string, bytes: number): number | undefined {
    return this.#loads.get(tier)?.predict([1, bytes]);
  }

  /** How many loads from a tier the prediction rests on, up to 64. */
  knownLoads(tier: string): number {
    return this.#loads.get(tier)?.size ?? 0;
  }

  /** Forgets how a tier was: it has changed. */
  forgetLoads(tier: string): void {
    this.#loads.delete(tier);
  }

  snapshot(): CostSnapshot {
    return {
      version: 1,
      compute: this.#compute.observations(),
      loads: Object.fromEntries(
        Array.from(this.#loads, ([tier, fit]) => [tier, fit.observations()]),
      ),
    };
  }

  /**
   * A model that knows what a snapshot says.
   * @throws InvalidArgumentError for what is no snapshot.
   */
  static restore(snapshot: CostSnapshot): CostModel {
    const model = new CostModel();
    if (!isSnapshot(snapshot)) {
      throw new InvalidArgumentError(
        'This is no snapshot of a cost model; give what CostModel.snapshot() returned.',
      );
    }
    for (const { terms, ms } of snapshot.compute) model.#compute.observe(terms, ms);
    for (const [tier, observations] of Object.entries(snapshot.loads)) {
      for (const { terms, ms } of observations) model.observeLoad(tier, terms[1] ?? 0, ms);
    }
    return model;
  }
}

/** One, tokens, and pairs of a token and one that it attends to. */
function computeTerms(work: ComputeWork | readonly ComputeWork[]): number[] {
  let tokens = 0;
  let pairs = 0;
  for (const { tokens: count, before = 0 } of [work].flat()) {
    tokens += count;
    pairs += count * (before + count / 2);
  }
  return [1, tokens, pairs];
}

function isSnapshot(value: CostSnapshot): boolean {
  if (typeof value !== 'object' || value === null || value.version !== 1) return false;
  const { compute, loads } = value;
  if (typeof loads !== 'object' || loads === null) return false;
  return (
    areObservations(compute, 3) && Object.values(loads).every((all) => areObservations(all, 2))
  );
}

function areObservations(value: unknown, terms: number): boolean {
  if (!Array.isArray(value)) return false;
  return value.every((item: Partial<Observation> | null) => {
    if (typeof item?.ms !== 'number' || !Array.isArray(item.terms)) return false;
    return item.terms.length === terms && item.terms.every((term) => typeof term === 'number');
  });
}
