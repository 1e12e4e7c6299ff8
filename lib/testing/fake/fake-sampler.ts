import type { Sampler, SamplingOptions } from '../../engine/sampling.js';
import type { Tokenizer } from '../../engine/tokenizer.js';
import { DisposedError, InvalidArgumentError, SamplingError } from '../../errors.js';
import { seededRandom } from '../../random.js';
import { LiteralGrammar } from './literal-grammar.js';

/** Chooses tokens as {@link SamplingOptions} says. Of grammars it knows alternatives of literals only. */
export class FakeSampler implements Sampler {
  readonly #options: Required<Omit<SamplingOptions, 'grammar'>>;
  readonly #tokenizer: Tokenizer;
  readonly #grammar: LiteralGrammar | undefined;
  readonly #random: () => number;
  readonly #recent: number[] = [];
  readonly #isEngineDisposed: () => boolean;
  #disposed = false;

  /** @throws SamplingError */
  constructor(tokenizer: Tokenizer, options: SamplingOptions, isEngineDisposed: () => boolean) {
    this.#tokenizer = tokenizer;
    this.#isEngineDisposed = isEngineDisposed;
    this.#options = {
      temperature: options.temperature ?? 0,
      topK: options.topK ?? 0,
      topP: options.topP ?? 1,
      minP: options.minP ?? 0,
      repeatPenalty: options.repeatPenalty ?? 1,
      frequencyPenalty: options.frequencyPenalty ?? 0,
      presencePenalty: options.presencePenalty ?? 0,
      penaltyWindow: options.penaltyWindow ?? 64,
      seed: options.seed ?? 0,
    };
    check(this.#options);
    this.#random = seededRandom(this.#options.seed);
    this.#grammar =
      options.grammar === undefined ? undefined : new LiteralGrammar(options.grammar, tokenizer);
  }

  async sample(logits: Float32Array): Promise<number> {
    if (this.#disposed || this.#isEngineDisposed()) throw new DisposedError('sampler');
    if (logits.length !== this.#tokenizer.vocabSize) {
      throw new InvalidArgumentError(
        `A row of ${this.#tokenizer.vocabSize} logits is needed, not ${logits.length}.`,
      );
    }
    const weights = Float64Array.from(logits);
    this.#grammar?.mask(weights);
    this.#penalise(weights);
    const token = this.#options.temperature === 0 ? argMax(weights) : this.#draw(weights);
    this.#recent.push(token);
    this.#grammar?.accept(token);
    return token;
  }

  async dispose(): Promise<void> {
    this.#disposed = true;
  }

  async [Symbol.asyncDispose](): Promise<void> {
    await this.dispose();
  }

  #penalise(logits: Float64Array): void {
    const { repeatPenalty, frequencyPenalty, presencePenalty, penaltyWindow } = this.#options;
    const counts = new Map<number, number>();
    for (const token of penaltyWindow > 0 ? this.#recent.slice(-penaltyWindow) : []) {
      counts.set(token, (counts.get(token) ?? 0) + 1);
    }
    for (const [token, count] of counts) {
      const logit = logits[token] as number;
      const scaled = logit > 0 ? logit / repeatPenalty : logit * repeatPenalty;
      logits[token] = scaled - count * frequencyPenalty - presencePenalty;
    }
  }

  #draw(logits: Float64Array): number {
    const { temperature, topK, topP, minP } = this.#options;
    const order = Array.from(logits.keys()).sort(
      (a, b) => (logits[b] as number) - (logits[a] as number) || a - b,
    );
    const best = logits[order[0] as number] as number;
    let kept = order.filter((token) => Math.exp((logits[token] as number) - best) >= minP);
    if (topK > 0) kept = kept.slice(0, topK);
    const scaled = kept.map((token) => Math.exp(((logits[token] as number) - best) / temperature));
    const total = scaled.reduce((sum, weight) => sum + weight, 0);
    let mass = 0;
    let last = 0;
    while (last < kept.length && mass < topP * total) mass += scaled[last++] as number;
    let at = this.#random() * mass;
    for (let i = 0; i < last; i++) {
      at -= scaled[i] as number;
      if (at < 0) return kept[i] as number;
    }
    return kept[Math.max(0, last - 1)] as number;
  }
}

function argMax(values: Float64Array): number {
  let best = 0;
  for (let i = 1; i < values.length; i++) {
    if ((values[i] as number) > (values[best] as number)) best = i;
  }
  return best;
}

function fail(name: string, range: string): never {
  throw new SamplingError(`${name} must be ${range}.`);
}

function isWhole(value: number): boolean {
  return Number.isInteger(value) && value >= 0;
}

function check(options: Required<Omit<SamplingOptions, 'grammar'>>): void {
  if (!(options.temperature >= 0 && options.temperature < Infinity)) {
    fail('temperature', 'a number of at least 0');
  }
  if (!isWhole(options.topK)) fail('topK', 'a whole number of at least 0');
  if (!(options.topP >= 0 && options.topP <= 1)) fail('topP', 'between 0 and 1');
  if (!(options.minP >= 0 && options.minP <= 1)) fail('minP', 'between 0 and 1');
  if (!(options.repeatPenalty > 0 && options.repeatPenalty < Infinity)) {
    fail('repeatPenalty', 'a number above 0');
  }
  if (!Number.isFinite(options.frequencyPenalty)) fail('frequencyPenalty', 'a number');
  if (!Number.isFinite(options.presencePenalty)) fail('presencePenalty', 'a number');
  if (!isWhole(options.penaltyWindow)) fail('penaltyWindow', 'a whole number of at least 0');
  if (!isWhole(options.seed) || options.seed >= 2 ** 32) fail('seed', 'an integer in [0, 2^32)');
}
