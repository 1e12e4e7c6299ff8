import { afterAll, beforeAll, describe, expect, test } from '@jest/globals';
import type { TinyModelOptions } from '../../../adapters/ggml/tiny-model/index.js';
import type { KvSequence, RunOptions } from '../../../lib/engine/arena.js';
import type { ForwardResult, GroupAttention, LayerResult } from '../../../lib/engine/forward.js';
import { compute, type OwnCompute, tinyFile } from '../../support/native.js';

// Devices other than the CPU cannot abort a running compute, so passes are computed there in groups of layers.
// What a group of layers leaves for the next one is the same on any device; here the CPU is made to do so.

const LAYERS = 5;
const STEP = 2;

const models: Record<string, TinyModelOptions & { embedOnHost?: boolean }> = {
  llama: { architecture: 'llama', layers: LAYERS },
  'qwen3 q8_0': { architecture: 'qwen3', layers: LAYERS, weightType: 'q8_0' },
  // Groups of only sliding layers, and of both kinds.
  gemma3: { architecture: 'gemma3', layers: LAYERS, headDim: 32, windowPeriod: 3, window: 16 },
  'llama, embeddings from the host': {
    architecture: 'llama',
    layers: LAYERS,
    embedOnHost: true,
  },
};

const logitsOf = (result: ForwardResult): Float32Array => result.logits?.values as Float32Array;

/** Relative distance of two sums that were made in another order. */
function apart(a: Float32Array, b: Float32Array): number {
  expect(a).toHaveLength(b.length);
  const total = a.reduce((sum, value) => sum + Math.abs(value), 0);
  return a.reduce((sum, value, i) => sum + Math.abs(value - (b[i] as number)), 0) / total;
}

describe.each(Object.entries(models))('%s', (_name, { embedOnHost, ...options }) => {
  let whole: OwnCompute;
  let grouped: OwnCompute;
  beforeAll(async () => {
    const path = await tinyFile(options);
    const settings = { cells: 1024, threads: 1, ...(embedOnHost && { embedOnHost }) };
    whole = await compute(path, settings);
    grouped = await compute(path, { ...settings, layersPerCompute: STEP });
  });
  afterAll(async () => {
    await whole.dispose();
    await grouped.dispose();
  });

  /** Does the same with one compute a pass and with groups of layers. */
  async function both<T>(task: (own: OwnCompute, sequence: KvSequence) => Promise<T>) {
    const results: T[] = [];
    for (const own of [whole, grouped]) {
      using sequence = own.arena.createSequence();
      await sequence.append(own.tokens(40, 1));
      results.push(await task(own, sequence));
    }
    return results as [T, T];
  }

  test('logits are bit-identical, of many rows and of single tokens across a change of span', async () => {
    const [a, b] = await both(async (own, sequence) => {
      const all: Float32Array[] = [];
      for (const count of [200, 1, 1]) {
        all.push(logitsOf(await sequence.append(own.tokens(count, count), { logits: 'all' })));
      }
      const steps = own.tokens(20, 5);
      for (let i = 0; i < steps.length; i++) {
        all.push(logitsOf(await sequence.append(steps.slice(i, i + 1))));
      }
      return all;
    });
    expect(b).toEqual(a);
  });

  test('two sequences that decode in turns do not disturb each other', async () => {
    const [a, b] = await both(async (own, sequence) => {
      using fork = sequence.fork();
      const steps = own.tokens(6, 8);
      const turns = Array.from(steps, (_, i) =>
        Promise.all([
          sequence.append(steps.slice(i, i + 1)),
          fork.append(steps.slice(steps.length - 1 - i, steps.length - i)),
        ]),
      );
      return (await Promise.all(turns)).flat().map(logitsOf);
    });
    expect(b).toEqual(a);
    expect(a[0]).not.toEqual(a[1]);
  });

  test('a probe asks the same layers the same', async () => {
    const layers = [0, 1, 3, 4];
    const spans = [
      { start: 0, end: 10 },
      { start: 35, end: 44 },
    ];
    for (const upTo of [1, 2, 3, 4]) {
      const request = { layers: layers.slice(0, upTo), spans };
      const [a, b] = await both((own, sequence): Promise<GroupAttention> => {
        return sequence.probe(own.tokens(9, 3), { ...request, perLayer: true });
      });
      expect(b).toEqual(a);
      const [summed, sums] = await both((own, sequence) =>
        sequence.probe(own.tokens(9, 3), request),
      );
      expect(apart(summed.byEntry, sums.byEntry)).toBeLessThan(1e-5);
      expect(apart(summed.bySpan as Float32Array, sums.bySpan as Float32Array)).toBeLessThan(1e-5);
    }
  });

  test('a pass that narrows gives the same at every layer', async () => {
    const [a, b] = await both(async (own, sequence): Promise<unknown[]> => {
      await using pass = await own.arena.begin([
        { kind: 'refresh', sequence, entries: Int32Array.from({ length: 30 }, (_, i) => i + 4) },
        { kind: 'append', sequence, tokens: own.tokens(6, 6) },
      ]);
      const outputs = { attention: { perLayer: true, layers: [0, 2] }, deviation: [0, 1, 2] };
      const first: LayerResult = await pass.advance(3, { ...outputs, hidden: { layers: [0, 2] } });
      pass.keep(pass.rows.filter((row) => row >= 30 || row % 3 === 0));
      const second = await pass.advance(4, { deviation: [3] });
      return [first, second, await pass.finish({ logits: 'all', losses: true })];
    });
    expect(b).toEqual(a);
  });

  test('what a refresh leaves in the cells is the same', async () => {
    const [a, b] = await both(async (_own, sequence) => {
      await sequence.refresh({ start: 3, end: 33 });
      const { data } = await sequence.capture({ start: 0, end: sequence.length });
      return Buffer.from(data);
    });
    expect(b.equals(a)).toBe(true);
  });
});

describe('with groups of layers', () => {
  let own: OwnCompute;
  beforeAll(async () => {
    const path = await tinyFile({ architecture: 'llama', layers: LAYERS });
    own = await compute(path, { cells: 1024, threads: 1, layersPerCompute: STEP });
  });
  afterAll(() => own.dispose());

  /** Runs `task` on a device that hears of an abort only between computes; returns how many there were. */
  async function computesUntilAborted(
    at: number,
    task: (options: RunOptions) => Promise<unknown>,
  ): Promise<number> {
    const { backend } = own.arena.model;
    const controller = new AbortController();
    const reason = new Error('aborted by the test');
    let computes = 0;
    const real = backend.compute.bind(backend);
    backend.compute = async (graph, signal) => {
      signal?.throwIfAborted();
      await real(graph);
      if (++computes === at) controller.abort(reason);
    };
    try {
      await expect(task({ signal: controller.signal })).rejects.toBe(reason);
    } finally {
      backend.compute = real;
    }
    return computes;
  }

  const tasks: Record<string, (on: KvSequence, options: RunOptions) => Promise<unknown>> = {
    'a probe': (on, options) => on.probe(own.tokens(9, 3), { layers: [LAYERS - 1], ...options }),
    'an advance': async (on, options) => {
      await using pass = await own.arena.begin([
        { kind: 'refresh', sequence: on, entries: Int32Array.of(3, 17, 29) },
      ]);
      await pass.advance(LAYERS, options);
    },
    'a finish': (on, options) => on.append(own.tokens(9, 3), options),
    'one token': (on, options) => on.append(own.tokens(1, 3), options),
  };

  test.each(Object.entries(tasks))('%s is aborted after any of them', async (_name, task) => {
    using sequence = own.arena.createSequence();
    await sequence.append(own.tokens(40, 1));
    const question = own.tokens(5, 4);
    const ask = async (): Promise<Float32Array> => {
      using fork = sequence.fork();
      return logitsOf(await fork.append(question, { logits: 'all' }));
    };
    const exact = await ask();
    const { free } = own.arena;
    for (let at = 1; at < Math.ceil(LAYERS / STEP); at++) {
      using fork = sequence.fork();
      expect(await computesUntilAborted(at, (options) => task(fork, options))).toBe(at);
      expect(fork.tokens).toEqual(sequence.tokens);
    }
    expect(own.arena.free).toBe(free);
    expect(await ask()).toEqual(exact);
  });

  test('the graphs of a decoded token are built once', async () => {
    const { ggml } = own.arena.model.backend.runtime;
    const real = ggml.newGraph;
    let graphs = 0;
    ggml.newGraph = (...args) => {
      graphs++;
      return real(...args);
    };
    try {
      using sequence = own.arena.createSequence();
      await sequence.append(own.tokens(250, 1));
      const step = (): Promise<unknown> => sequence.append(own.tokens(1, sequence.length));
      await step();
      graphs = 0;
      for (let i = 0; i < 5; i++) await step();
      expect(graphs).toBe(0);
      // Beyond 256 cells another span is looked at.
      await step();
      expect(graphs).toBe(Math.ceil(LAYERS / STEP));
    } finally {
      ggml.newGraph = real;
    }
  });
});
