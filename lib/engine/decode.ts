import { InvalidArgumentError } from '../errors.js';
import type { KvSequence } from './arena.js';
import type { KvEngine } from './engine.js';
import type { ForwardResult } from './forward.js';
import type { SamplingOptions } from './sampling.js';
import { TextStream } from './text-stream.js';

export interface DecodeOptions {
  readonly engine: KvEngine;
  /** The prompt, computed. Generated tokens are appended to it. */
  readonly sequence: KvSequence;
  /** Logits that choose the first token: `[rows][vocabSize]`, of which the last row counts. */
  readonly logits: Float32Array;
  /** At least 1. */
  readonly maxTokens: number;
  /** Strings that end the answer and are not part of it. Default: none. */
  readonly stop?: readonly string[];
  /** Default: greedy. */
  readonly sampling?: SamplingOptions;
  /** Also the natural logarithm of each token's probability, before penalties and temperature. */
  readonly logprobs?: boolean;
  /**
   * Asked for a cell before each token that is appended, where the arena's cells are shared out: undefined when there
   * is one, else resolves when there is.
   */
  readonly reserve?: () => Promise<void> | undefined;
  readonly signal?: AbortSignal;
}

export interface DecodeStep {
  readonly token: number;
  /** Text that became certain with this token; often empty. All texts together are the answer. */
  readonly text: string;
  /** Present when asked for. */
  readonly logprob?: number;
}

export interface DecodeResult {
  /**
   * `stop`: the model ended its turn. `stop-string`: a stop string came up. `length`: `maxTokens` were
   * generated, or there was no room for another token ({@link DecodeResult.full}).
   */
  readonly finishReason: 'stop' | 'length' | 'stop-string';
  /** True when the arena's cells or the model's context ended the answer. */
  readonly full: boolean;
  /** Generated tokens, without the end-of-generation token. */
  readonly tokens: Int32Array;
  readonly text: string;
  /** The stop string that came up. */
  readonly stop?: string;
}

/**
 * Generates token by token. A token is handed out as soon as it is chosen, while the forward pass that
 * leads to the next one already runs. The last token is handed out but not appended to the sequence, since
 * nothing follows from it. The end-of-generation token is a step as well: its text is what was held back.
 *
 * When the arena is full or the model's context is used up, the answer ends with reason `length` rather
 * than with an error: what was generated is not lost. (Only where another caller takes the arena's last
 * cell at the same moment, the engine's ContextOverflowError comes through.)
 *
 * A consumer may stop early: the forward that runs is awaited, then the sampler is disposed.
 *
 * @throws InvalidArgumentError, SamplingError, what the engine throws, or the signal's reason.
 */
export async function* decode(
  options: DecodeOptions,
): AsyncGenerator<DecodeStep, DecodeResult, undefined> {
  const { engine, sequence, maxTokens, signal } = options;
  const { vocabSize, contextLength } = engine.model;
  if (!Number.isInteger(maxTokens) || maxTokens < 1) {
    throw new InvalidArgumentError(
      `maxTokens must be a whole number of at least 1, not ${maxTokens}.`,
    );
  }
  let logits = lastRow(options.logits, vocabSize);
  const stream = new TextStream(options.stop ? { stop: options.stop } : {});
  signal?.throwIfAborted();

  const tokens: number[] = [];
  let answer = '';
  let position = nextPosition(sequence);
  const step = (token: number, text: string): DecodeStep => {
    answer += text;
    return { token, text, ...(options.logprobs && { logprob: logProbability(logits, token) }) };
  };
  const finish = (finishReason: DecodeResult['finishReason'], full = false): DecodeResult => ({
    finishReason,
    full,
    tokens: Int32Array.from(tokens),
    text: answer,
    ...(stream.stopped !== undefined && { stop: stream.stopped }),
  });

  const sampler = await engine.createSampler(options.sampling);
  let running: Promise<ForwardResult> | undefined;
  try {
    for (;;) {
      signal?.throwIfAborted();
      const token = await sampler.sample(logits);
      if (engine.tokenizer.isEndOfGeneration(token)) {
        yield step(token, stream.flush());
        return finish(stream.stopped === undefined ? 'stop' : 'stop-string');
      }
      tokens.push(token);
      const text = stream.push(engine.tokenizer.bytes(token));
      if (stream.stopped !== undefined) {
        yield step(token, text);
        return finish('stop-string');
      }
      const last = tokens.length >= maxTokens;
      if (!last && position < contextLength) await options.reserve?.();
      const full = sequence.arena.free < 1 || position >= contextLength;
      if (full || last) {
        yield step(token, text + stream.flush());
        return stream.stopped === undefined
          ? finish('length', full && !last)
          : finish('stop-string');
      }
      running = sequence.append(Int32Array.of(token), signal ? { signal } : {});
      // Whoever awaits it hears of a failure; until then it must not count as unhandled.
      running.catch(() => {});
      yield step(token, text);
      logits = lastRow((await running).logits?.values ?? new Float32Array(), vocabSize);
      position++;
    }
  } finally {
    await running?.catch(() => {});
    await sampler.dispose();
  }
}

/** Decodes to the end. See {@link decode}. */
export async function decodeAll(options: DecodeOptions): Promise<DecodeResult> {
  const steps = decode(options);
  for (;;) {
    const { done, value } = await steps.next();
    if (done) return value;
  }
}

/** Natural logarithm of a token's probability under one row of logits. */
export function logProbability(logits: Float32Array, token: number): number {
  return (logits[token] as number) - logSumExp(logits);
}

/** The most likely tokens under one row of logits, most likely first. */
export function topTokens(
  logits: Float32Array,
  count: number,
): { readonly token: number; readonly logprob: number }[] {
  const total = logSumExp(logits);
  const order = Array.from(logits.keys()).sort(
    (a, b) => (logits[b] as number) - (logits[a] as number) || a - b,
  );
  return order
    .slice(0, count)
    .map((token) => ({ token, logprob: (logits[token] as number) - total }));
}

function logSumExp(logits: Float32Array): number {
  let best = -Infinity;
  for (const logit of logits) if (logit > best) best = logit;
  let total = 0;
  for (const logit of logits) total += Math.exp(logit - best);
  return best + Math.log(total);
}

function lastRow(logits: Float32Array, vocabSize: number): Float32Array {
  if (logits.length < vocabSize || logits.length % vocabSize !== 0) {
    throw new InvalidArgumentError(
      `Logits come in rows of ${vocabSize} numbers; got ${logits.length} numbers.`,
    );
  }
  return logits.subarray(logits.length - vocabSize);
}

function nextPosition(sequence: KvSequence): number {
  let next = 0;
  for (const position of sequence.positions) next = Math.max(next, position + 1);
  return next;
}
