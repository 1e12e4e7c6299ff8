import { DisposedError, InvalidArgumentError, SamplingError } from '../../lib/errors.js';
import type { Sampler, SamplingOptions } from '../../lib/engine/sampling.js';
import { runSteps, type Steps } from '../../lib/pace.js';
import { Candidates, indexOfLargest } from './candidates.js';
import { checkGrammar } from './gbnf.js';
import { Lock } from './lock.js';
import { callAsync } from './native/ggml.js';
import type { SamplerPtr } from './native/pointer.js';
import type { Runtime } from './native/runtime.js';
import type { NativeTokenizer } from './tokenizer.js';

/** Up to this many candidates libllama's samplers take about a millisecond; more go to the pool. */
const FEW = 32768;
/** Candidates that a grammar looks at in one step: some milliseconds. */
const GRAMMAR_STEP = 2048;
/** Dividing logits by less than this overflows; the most likely token wins long before. */
const COLDEST = 1e-3;
/** libllama takes this seed for a wish for a random one. */
const RANDOM_SEED = 0xffffffff;

/**
 * Makes a sampler out of libllama's: penalties, top-k, top-p, min-p, temperature, grammar, in that order.
 * @throws SamplingError for options out of range or a grammar that cannot be used.
 */
export async function createNativeSampler(
  runtime: Runtime,
  tokenizer: NativeTokenizer,
  options: SamplingOptions = {},
): Promise<Sampler> {
  const settings = checkOptions(options);
  if (options.grammar !== undefined) checkGrammar(options.grammar);
  const release = tokenizer.retain();
  try {
    return new NativeSampler({ runtime, tokenizer, settings, release });
  } catch (error) {
    release();
    throw error;
  }
}

type Settings = Required<Omit<SamplingOptions, 'grammar'>> & { readonly grammar?: string };

function checkOptions(options: SamplingOptions): Settings {
  const settings = {
    temperature: 0,
    topK: 0,
    topP: 1,
    minP: 0,
    repeatPenalty: 1,
    frequencyPenalty: 0,
    presencePenalty: 0,
    penaltyWindow: 64,
    seed: 0,
  };
  const number = (key: keyof typeof settings, least: number, most: number, advice: string) => {
    const value = options[key] ?? settings[key];
    if (typeof value !== 'number' || !(value >= least && value <= most)) {
      throw new SamplingError(
        `${key} is ${String(value)}, but must be a number from ${least} to ${most}. ${advice}`,
      );
    }
    settings[key] = value;
  };
  const integer = (key: keyof typeof settings, least: number, most: number, advice: string) => {
    number(key, least, most, advice);
    if (!Number.isInteger(settings[key])) {
      throw new SamplingError(`${key} is ${settings[key]}, but must be an integer. ${advice}`);
    }
  };
  number('temperature', 0, 100, 'Use 0 for the most likely token, 0.7 for some variety.');
  integer('topK', 0, 2 ** 31 - 1, 'Use 0 to keep all tokens, or for example 40.');
  number('topP', 0, 1, 'Use 1 to keep all tokens, or for example 0.95.');
  number('minP', 0, 1, 'Use 0 to keep all tokens, or for example 0.05.');
  number('repeatPenalty', 0.01, 100, 'Use 1 for none, or for example 1.1.');
  number('frequencyPenalty', -100, 100, 'Use 0 for none.');
  number('presencePenalty', -100, 100, 'Use 0 for none.');
  integer('penaltyWindow', 0, 1 << 20, 'Use for example 64.');
  integer('seed', 0, RANDOM_SEED, 'Use any integer; the same one gives the same text.');
  const { grammar } = options;
  if (grammar === undefined) return settings;
  if (typeof grammar !== 'string' || grammar.trim() === '') {
    throw new SamplingError('The grammar is empty. Leave it out, or give one in GBNF.');
  }
  return { ...settings, grammar };
}

class NativeSampler implements Sampler {
  readonly #runtime: Runtime;
  readonly #tokenizer: NativeTokenizer;
  readonly #size: number;
  readonly #lock = new Lock();
  readonly #release: () => void;
  /** Chooses among candidates; none where the most likely token is taken. */
  readonly #chain: SamplerPtr | undefined;
  readonly #grammar: SamplerPtr | undefined;
  #candidates: Candidates | undefined;
  #single: Candidates | undefined;
  #disposed: Promise<void> | undefined;

  constructor(parts: {
    runtime: Runtime;
    tokenizer: NativeTokenizer;
    settings: Settings;
    release: () => void;
  }) {
    this.#runtime = parts.runtime;
    this.#tokenizer = parts.tokenizer;
    this.#size = parts.tokenizer.vocabSize;
    this.#release = parts.release;
    this.#grammar = this.#makeGrammar(parts.settings.grammar);
    this.#chain = this.#makeChain(parts.settings);
  }

  async sample(logits: Float32Array): Promise<number> {
    this.#assertUsable();
    if (logits.length !== this.#size) {
      throw new InvalidArgumentError(
        `There are ${logits.length} logits for a vocabulary of ${this.#size} tokens.`,
      );
    }
    return this.#lock.run(async () => {
      this.#assertUsable();
      let token = await this.#choose(logits);
      if (this.#grammar && !this.#allows(this.#grammar, token)) {
        token = await this.#chooseByGrammar(logits, this.#grammar);
      }
      const { llama } = this.#runtime;
      if (this.#chain) llama.samplerAccept(this.#chain, token);
      if (this.#grammar) llama.samplerAccept(this.#grammar, token);
      return token;
    });
  }

  dispose(): Promise<void> {
    this.#disposed ??= this.#lock.run(() => {
      const { llama } = this.#runtime;
      if (this.#chain) llama.samplerFree(this.#chain);
      if (this.#grammar) llama.samplerFree(this.#grammar);
      this.#candidates = undefined;
      this.#release();
    });
    return this.#disposed;
  }

  async [Symbol.asyncDispose](): Promise<void> {
    await this.dispose();
  }

  #assertUsable(): void {
    if (this.#disposed) throw new DisposedError('sampler');
  }

  #makeGrammar(source: string | undefined): SamplerPtr | undefined {
    if (source === undefined) return undefined;
    // At once, not on the pool: the stack of calls that libllama needs is larger here.
    const grammar = this.#runtime.llama.samplerGrammar(this.#tokenizer.vocabulary, source, 'root');
    if (grammar) return grammar;
    throw new SamplingError(
      'The grammar cannot be used: a rule begins with itself (left recursion). Put a character before it, or use * or +.',
    );
  }

  #makeChain(settings: Settings): SamplerPtr | undefined {
    const { llama } = this.#runtime;
    const { repeatPenalty, frequencyPenalty, presencePenalty, penaltyWindow } = settings;
    const penalises =
      penaltyWindow > 0 && (repeatPenalty !== 1 || frequencyPenalty !== 0 || presencePenalty !== 0);
    const isGreedy = settings.temperature === 0;
    if (isGreedy && !penalises) return undefined;
    const chain = llama.samplerChain();
    const add = (sampler: SamplerPtr): void => llama.samplerChainAdd(chain, sampler);
    if (penalises) {
      add(
        llama.samplerPenalties(
          this.#size,
          penaltyWindow,
          repeatPenalty,
          frequencyPenalty,
          presencePenalty,
        ),
      );
    }
    if (isGreedy) {
      add(llama.samplerGreedy());
      return chain;
    }
    if (settings.topK > 0) add(llama.samplerTopK(settings.topK));
    if (settings.topP < 1) add(llama.samplerTopP(settings.topP, 1));
    if (settings.minP > 0) add(llama.samplerMinP(settings.minP, 1));
    add(llama.samplerTemperature(Math.max(settings.temperature, COLDEST)));
    add(llama.samplerDist(settings.seed === RANDOM_SEED ? RANDOM_SEED - 1 : settings.seed));
    return chain;
  }

  /** Chooses without regard to the grammar. */
  async #choose(logits: Float32Array): Promise<number> {
    if (!this.#chain) return indexOfLargest(logits);
    const candidates = this.#candidatesOf(logits);
    return this.#chooseFrom(candidates, this.#chain);
  }

  async #chooseFrom(candidates: Candidates, chain: SamplerPtr): Promise<number> {
    const { llama } = this.#runtime;
    const array = candidates.array(0, this.#size);
    if (this.#size <= FEW) llama.samplerApply(chain, array);
    else await callAsync(llama.samplerApply, chain, array);
    return candidates.selected(array);
  }

  /** Asks the grammar about one token: far cheaper than about all of them. */
  #allows(grammar: SamplerPtr, token: number): boolean {
    if (this.#isMute(token)) return false;
    const one = (this.#single ??= new Candidates(this.#runtime.koffi, 1));
    one.set(0, token, 0);
    this.#runtime.llama.samplerApply(grammar, one.array(0, 1));
    return one.logit(0) === 0;
  }

  async #chooseByGrammar(logits: Float32Array, grammar: SamplerPtr): Promise<number> {
    const candidates = this.#candidatesOf(logits);
    const best = await runSteps(this.#applyGrammar(candidates, grammar));
    if (best < 0) {
      throw new SamplingError(
        'The grammar allows no token of this model here. It may end where the model has no end token, or need characters that the vocabulary lacks.',
      );
    }
    return this.#chain ? this.#chooseFrom(candidates, this.#chain) : best;
  }

  /** Rules tokens out, and returns the most likely one that is left, or -1. */
  *#applyGrammar(candidates: Candidates, grammar: SamplerPtr): Steps<number> {
    let best = -1;
    let most = Number.NEGATIVE_INFINITY;
    for (let from = 0; from < this.#size; from += GRAMMAR_STEP) {
      const to = Math.min(this.#size, from + GRAMMAR_STEP);
      // On this thread's own stack: deep grammars need more of it than a call on the pool has.
      this.#runtime.llama.samplerApply(grammar, candidates.array(from, to));
      for (let i = from; i < to; i++) {
        if (this.#isMute(i)) candidates.set(i, i, Number.NEGATIVE_INFINITY);
        const logit = candidates.logit(i);
        if (logit > most) {
          most = logit;
          best = i;
        }
      }
      yield to / this.#size;
    }
    return best;
  }

  /** Control tokens have names that a grammar may match, but stand for no text. */
  #isMute(token: number): boolean {
    return this.#tokenizer.isSpecial(token) && !this.#tokenizer.isEndOfGeneration(token);
  }

  #candidatesOf(logits: Float32Array): Candidates {
    this.#candidates ??= new Candidates(this.#runtime.koffi, this.#size);
    this.#candidates.fill(logits);
    return this.#candidates;
  }
}
