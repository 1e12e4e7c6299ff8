import { join } from 'node:path';
import { afterAll, afterEach, beforeAll, beforeEach, describe, expect, test } from '@jest/globals';
import { type GgmlEngine, loadEngine } from '../../../adapters/ggml/engine.js';
import type { KvSequence, RunOptions } from '../../../lib/engine/arena.js';
import type { ChunkKv } from '../../../lib/engine/chunk-kv.js';
import { decode } from '../../../lib/engine/decode.js';
import { encodeChunk } from '../../../lib/encode/encode-chunk.js';
import type { KvEngine } from '../../../lib/engine/engine.js';
import { DisposedError, StaleCellError } from '../../../lib/errors.js';
import { distance } from '../../support/logits.js';
import { compute, type OwnCompute, scratch, someTokens, tinyFile } from '../../support/native.js';

/** More layers than are copied at once, so that copies too are interrupted between two graphs. */
const LAYERS = 10;
const LENGTH = 40;
const PIECES = 600;

let path: string;
let own: OwnCompute;
let sequence: KvSequence;
let chunk: ChunkKv;
let question: Int32Array;
let exact: Float32Array;

/** Runs `task` while `onCompute` hears of every graph that begins. */
async function hearing<T>(onCompute: (number: number) => void, task: () => Promise<T>): Promise<T> {
  const { backend } = own.arena.model;
  const real = backend.compute.bind(backend);
  let number = 0;
  backend.compute = (graph, signal) => {
    const running = real(graph, signal);
    onCompute(number++);
    return running;
  };
  try {
    return await task();
  } finally {
    backend.compute = real;
  }
}

async function ask(of: KvSequence): Promise<Float32Array> {
  using fork = of.fork();
  const { logits } = await fork.append(question, { logits: 'all' });
  return logits?.values as Float32Array;
}

beforeAll(async () => {
  path = await tinyFile({ architecture: 'llama', layers: LAYERS, width: 32 });
  own = await compute(path, { cells: 2048, threads: 1 });
  sequence = own.arena.createSequence();
  await sequence.append(own.tokens(LENGTH, 1));
  chunk = await sequence.capture({ start: 10, end: 30 });
  question = own.tokens(5, 2);
  exact = await ask(sequence);
});
afterAll(() => own.dispose());

type Operation = (on: KvSequence, options: RunOptions) => Promise<unknown>;
const correction = { layers: { from: 0, to: LAYERS }, values: new Float32Array(LAYERS * 16) };

const operations: Record<string, Operation> = {
  append: (on, options) => on.append(own.tokens(30, 3), options),
  'append of two pieces': (on, options) => on.append(own.tokens(PIECES, 3), options),
  'append with all logits': (on, options) =>
    on.append(own.tokens(200, 3), { ...options, logits: 'all', losses: true }),
  'one token': (on, options) => on.append(own.tokens(1, 3), options),
  refresh: (on, options) => on.refresh({ start: 5, end: 35 }, options),
  'refresh with attention': (on, options) =>
    on.refresh({ start: 5, end: 35 }, { ...options, deviation: [1], hidden: { layers: [2] } }),
  probe: (on, options) => on.probe(own.tokens(20, 4), options),
  capture: (on, options) => on.capture({ start: 3, end: 33 }, options),
  splice: (on, options) => on.splice(chunk, options),
  load: (on, options) => on.load({ start: 10, end: 30 }, chunk, options),
  correct: (on, options) => on.correct({ start: 10, end: 30 }, correction, options),
  move: (on, options) => on.move({ start: 10, end: 40 }, 7, options),
  drop: (on, options) => on.drop({ start: 10, end: 20 }, options),
  replace: (on, options) => on.replace({ start: 10, end: 20 }, own.tokens(25, 5), options),
  'a pass in steps': async (on, { signal }) => {
    const abort = signal ? { signal } : {};
    await using pass = await own.arena.begin([
      { kind: 'refresh', sequence: on, entries: Int32Array.of(3, 17, 29) },
      { kind: 'append', sequence: on, tokens: own.tokens(6, 6) },
    ]);
    await pass.advance(4, abort);
    pass.keep(pass.rows.filter((row) => row !== 1));
    await pass.advance(8, abort);
    await pass.finish(abort);
  },
};

describe.each(Object.entries(operations))('%s', (_name, run) => {
  test('can be aborted in any of its graphs; what stays is the prompt as it was, or stale', async () => {
    let graphs = 0;
    let aborted = 0;
    // A graph that is done before it hears of the abort is no failure, but not what is tested.
    for (let at = 0; at <= graphs || (aborted === 0 && at < 50); at++) {
      const { free } = own.arena;
      const fork = sequence.fork();
      const controller = new AbortController();
      const reason = new Error('aborted by the test');
      const error = await hearing(
        (number) => {
          if (number === at % (graphs + 1)) controller.abort(reason);
          graphs = Math.max(graphs, number + 1);
        },
        () =>
          run(fork, { signal: controller.signal }).then(
            () => undefined,
            (thrown: unknown) => thrown,
          ),
      );
      if (error !== undefined) {
        aborted++;
        expect(error).toBe(reason);
        expect(fork.tokens).toEqual(sequence.tokens);
        expect(fork.positions).toEqual(sequence.positions);
        // Nothing wrong may pass for valid.
        const found = await ask(fork).catch(async (stale: unknown) => {
          expect(stale).toBeInstanceOf(StaleCellError);
          await fork.refresh({ start: 0, end: fork.length });
          return ask(fork);
        });
        const apart = distance(exact, found, own.vocabSize);
        expect(apart.kl).toBeLessThan(5e-6);
        expect(apart.deviations).toBeLessThan(0.02);
      }
      fork.dispose();
      expect(own.arena.free).toBe(free);
      // What was shared is untouched, to the bit.
      expect(await ask(sequence)).toEqual(exact);
    }
    expect(aborted).toBeGreaterThan(0);
  });
});

const load = (signal?: AbortSignal, more: object = {}): Promise<GgmlEngine> =>
  loadEngine({
    model: path,
    device: 'cpu',
    threads: 1,
    hashCache: join(scratch, `hashes-${Math.random()}.json`),
    ...(signal && { signal }),
    ...more,
  });

async function answer(on: KvEngine, signal?: AbortSignal, stopAt = Infinity): Promise<number[]> {
  const arena = await on.createArena({ cells: 512 });
  try {
    const prompt = arena.createSequence();
    const { logits } = await prompt.append(someTokens(20, on.model.vocabSize, 9));
    const steps = decode({
      engine: on,
      sequence: prompt,
      logits: logits?.values as Float32Array,
      maxTokens: 30,
      ...(signal && { signal }),
    });
    const tokens: number[] = [];
    for await (const { token } of steps) {
      tokens.push(token);
      if (tokens.length === stopAt) break;
    }
    return tokens;
  } finally {
    await arena.dispose();
  }
}

describe('loading', () => {
  test('can be aborted at any time, and done again', async () => {
    const outcomes = { loaded: 0, aborted: 0 };
    const attempt = async (controller: AbortController, more: object = {}): Promise<void> => {
      try {
        await (await load(controller.signal, more)).dispose();
        outcomes.loaded++;
      } catch (error) {
        expect(error).toBe(controller.signal.reason);
        outcomes.aborted++;
      }
    };
    for (const embedOnHost of [false, true]) {
      for (let step = 0; step < 20; step++) {
        // After each weight that is read, and after some turns of the event loop.
        const atWeight = new AbortController();
        let weights = 0;
        const onProgress = (): void => {
          if (weights++ === step * 5) atWeight.abort(new Error('aborted by the test'));
        };
        await attempt(atWeight, { embedOnHost, onProgress });
        const atTurn = new AbortController();
        const running = attempt(atTurn, { embedOnHost });
        for (let turn = 0; turn < step * 4; turn++) await new Promise(setImmediate);
        atTurn.abort(new Error('aborted by the test'));
        await running;
      }
    }
    expect(outcomes.aborted).toBeGreaterThan(20);

    await using engine = await load();
    const arena = await engine.createArena({ cells: 256 });
    const again = arena.createSequence();
    await again.append(own.tokens(LENGTH, 1));
    expect(await ask(again)).toEqual(exact);
  });
});

describe('with an engine', () => {
  let engine: GgmlEngine;
  beforeEach(async () => {
    engine = await load();
  });
  afterEach(() => engine.dispose());

  test('an aborted encoding gives its cells back, and the next one is exact', async () => {
    const arena = await engine.createArena({ cells: 2048 });
    const prefix = someTokens(10, engine.model.vocabSize, 1);
    const tokens = someTokens(1200, engine.model.vocabSize, 2);
    const whole = await encodeChunk({ arena, prefix, tokens });
    for (const delay of [0, 1, 3, 10, 30]) {
      const controller = new AbortController();
      const reason = new Error('aborted by the test');
      const running = encodeChunk({ arena, prefix, tokens, signal: controller.signal });
      setTimeout(() => controller.abort(reason), delay);
      await running.catch((error: unknown) => expect(error).toBe(reason));
      expect(arena.free).toBe(2048);
    }
    const again = await encodeChunk({ arena, prefix, tokens });
    expect(Buffer.compare(again.kv.data, whole.kv.data)).toBe(0);
  });

  test('an aborted answer leaves an engine that answers as a new one does', async () => {
    const expected = await answer(engine);
    for (const delay of [0, 1, 2, 5, 10]) {
      const controller = new AbortController();
      const reason = new Error('aborted by the test');
      setTimeout(() => controller.abort(reason), delay);
      await answer(engine, controller.signal).catch((error: unknown) => expect(error).toBe(reason));
    }
    expect(await answer(engine, undefined, 3)).toEqual(expected.slice(0, 3));
    expect(await answer(engine)).toEqual(expected);
    await using other = await load();
    expect(await answer(other)).toEqual(expected);
  });

  test('after disposal everything refuses, and nothing ends the process', async () => {
    const arena = await engine.createArena({ cells: 256 });
    const alive = arena.createSequence();
    await alive.append(Int32Array.of(1, 2, 3));
    const pass = await arena.begin([{ kind: 'append', sequence: alive, tokens: Int32Array.of(4) }]);
    const sampler = await engine.createSampler({ temperature: 1 });
    const { tokenizer, chat } = engine;
    const word = tokenizer.decode([270]);
    await engine.dispose();
    await engine.dispose();

    const refused: (() => unknown)[] = [
      () => engine.createArena({ cells: 256 }),
      () => engine.createSampler(),
      () => arena.createSequence(),
      () => arena.forward([{ kind: 'append', sequence: alive, tokens: Int32Array.of(1) }]),
      () => arena.begin([{ kind: 'append', sequence: alive, tokens: Int32Array.of(1) }]),
      () => alive.append(Int32Array.of(1)),
      () => alive.fork(),
      () => pass.advance(1),
      () => pass.finish(),
      () => tokenizer.encode('text'),
      () => chat.frame({ system: 'text never asked for before' }),
    ];
    for (const call of refused) {
      await expect((async () => call())()).rejects.toThrow(DisposedError);
    }
    // What a token stands for is remembered.
    expect(tokenizer.decode([270])).toBe(word);
    // The sampler is the caller's, and holds what it needs.
    const logits = new Float32Array(engine.model.vocabSize);
    expect(await sampler.sample(logits)).toBeGreaterThanOrEqual(0);
    await sampler.dispose();
    await expect(sampler.sample(logits)).rejects.toThrow(DisposedError);
    alive.dispose();
    await pass.dispose();
    await arena.dispose();
  });

  test('disposal waits for what was called before it, of any kind', async () => {
    const arena = await engine.createArena({ cells: 1024 });
    const alive = arena.createSequence();
    const calls = [
      alive.append(someTokens(700, engine.model.vocabSize)),
      alive.capture({ start: 0, end: 700 }),
      alive.probe(Int32Array.of(1, 2)),
      engine.tokenizer.encode('the text '.repeat(1000)),
    ];
    const making = engine.createArena({ cells: 256 });
    const disposing = engine.dispose();
    const outcomes = await Promise.allSettled(calls);
    await disposing;
    for (const outcome of outcomes) {
      if (outcome.status === 'rejected') expect(outcome.reason).toBeInstanceOf(DisposedError);
    }
    expect(outcomes[0]?.status).toBe('fulfilled');
    // Made while the engine went, it goes with it.
    const late = await making;
    expect(() => late.createSequence()).toThrow(DisposedError);
  });
});
