import type { Chunk } from '../../document.js';
import { chunkOf, variantKey } from '../../store/chunk-key.js';
import type { RankVariant, Wanted } from '../kv-library.js';
import { SignalFan } from '../signal-fan.js';
import type { SinglePass } from '../single-pass/single-pass.js';
import type { DocumentChunks } from './document-chunks.js';
import type { DocumentPlan } from './document-plan.js';
import type { DocumentPlans } from './document-plans.js';
import type { EncodingBase } from './encoding-base.js';
import type { Neighbours } from './neighbours.js';
import type { TextBase } from './text-base.js';
import type { EncodedAfter } from './warmup.js';

export interface EncodingsOptions {
  /** A passage's tokens in prompts and the key of its KV right after the prefix. */
  readonly own: (chunk: Chunk) => Promise<Wanted>;
  readonly prefix: EncodingBase;
  /** The model's. */
  readonly contextLength: number;
  /** For `document`. */
  readonly plans?: DocumentPlans | undefined;
  /** Where documents are cut and encoded in one pass. */
  readonly pass?: { readonly keys: SinglePass; readonly documents: DocumentChunks } | undefined;
  /** For neighbours. */
  readonly neighbours?: Neighbours | undefined;
  /** For a text. */
  readonly text?: TextBase | undefined;
}

/** A passage where it stands in a prompt. */
export interface PromptPlace {
  readonly chunk: Chunk;
  /** Nothing but the prefix stands before it. */
  readonly first: boolean;
}

/** How a weave's passages are encoded, and which records of them will do. */
export class Encodings {
  readonly kind: EncodedAfter;
  readonly plans: DocumentPlans | undefined;
  readonly neighbours: Neighbours | undefined;
  readonly #options: EncodingsOptions;

  constructor(options: EncodingsOptions) {
    const { plans, pass, neighbours, text } = options;
    this.kind = plans || pass ? 'document' : neighbours ? 'neighbours' : text ? 'text' : 'prefix';
    this.plans = plans;
    this.neighbours = neighbours;
    this.#options = options;
  }

  /**
   * Passages as a question wants them: KV that saw more than the prefix needs less repair. Right after the prefix
   * nothing else was before it, so there KV that saw nothing else is exact. However many they are, the signal gets one listener.
   */
  async at(places: readonly PromptPlace[], signal?: AbortSignal): Promise<Wanted[]> {
    const fan = new SignalFan(signal);
    try {
      return await Promise.all(places.map((place) => this.#at(place, fan.child())));
    } finally {
      fan.close();
    }
  }

  async #at({ chunk, first }: PromptPlace, signal: AbortSignal | undefined): Promise<Wanted> {
    const own = await this.#options.own(chunk);
    const { pass } = this.#options;
    if (pass) return { ...own, lookup: await this.#passed(pass, chunk, own.key, first) };
    const warmed = await this.#warmed(chunk, own, signal);
    if (!warmed || warmed.key === own.key) return own;
    // A variant of another segment of its document, for example from before an edit, is better than none.
    const others = warmed.plan ? [within(ownKeys(warmed.plan))] : [];
    const lookup = first ? [own.key, warmed.key, ...others] : [warmed.key, ...others, own.key];
    return { ...own, ...warmed.made, lookup };
  }

  /** The key that a pass kept a passage under, or else whatever saw passages of the same document. */
  async #passed(
    { keys, documents }: NonNullable<EncodingsOptions['pass']>,
    chunk: Chunk,
    own: string,
    first: boolean,
  ): Promise<readonly (string | RankVariant)[]> {
    const key = await keys.find(chunk);
    if (key === own) return [own];
    const siblings = documents.of(chunk) ?? [];
    const known = await Promise.all(siblings.map((one) => this.#options.own(one)));
    const others = [...(key === undefined ? [] : [key]), within(known.map((one) => one.key))];
    return first ? [own, ...others] : [...others, own];
  }

  /** A passage as it is encoded where nobody asks for it with others. */
  async alone(chunk: Chunk): Promise<Wanted> {
    const own = await this.#options.own(chunk);
    return { ...own, ...(await this.#warmed(chunk, own))?.made };
  }

  /** Tokens before a passage that is encoded alone. */
  get before(): number {
    const { text, prefix } = this.#options;
    return (text ?? prefix).length;
  }

  /** How the record under one of a passage's keys was made. */
  madeAs(found: string): EncodedAfter {
    return found === chunkOf(found) ? 'prefix' : this.kind;
  }

  async dispose(): Promise<void> {
    await this.#options.text?.dispose();
  }

  /** The key of a passage's warmed KV, and how it is made where a question that misses it waits for that. */
  async #warmed(
    chunk: Chunk,
    { key: own, tokens }: Wanted,
    signal?: AbortSignal,
  ): Promise<{ key: string; made?: Partial<Wanted>; plan?: DocumentPlan } | undefined> {
    const { plans, neighbours, text, contextLength } = this.#options;
    // Nobody waits for a whole segment, or for neighbours: what is missing is encoded right after the prefix.
    if (plans) {
      const planned = await plans.find(chunk);
      const plan = planned?.segment?.plan;
      return planned && { key: planned.key, ...(plan && { plan }) };
    }
    if (neighbours) {
      const key = await neighbours.find(chunk, signal);
      return key ? { key } : undefined;
    }
    if (!text || text.length + tokens.length > contextLength) return undefined;
    const key = await variantKey(own, { warmup: text.tokens });
    const context = { chunks: [], warmupTokens: text.tokens.length };
    return { key, made: { key, after: text, context } };
  }
}

/**
 * Ranks variants by how many passages they saw, where all of them are in the same document as it is now: what was made in
 * the sight of another text holds traces of it that whoever asks may not be meant to see.
 */
function within(ownOfDocument: readonly string[]): RankVariant {
  const keys = new Set(ownOfDocument);
  return ({ context }) => {
    if (!context || context.warmupTokens > 0 || context.chunks.length === 0) return undefined;
    return context.chunks.every((key) => keys.has(key)) ? context.chunks.length : undefined;
  };
}

function ownKeys({ chunks }: DocumentPlan): string[] {
  return Array.from(chunks.values(), ({ own }) => own.key);
}
