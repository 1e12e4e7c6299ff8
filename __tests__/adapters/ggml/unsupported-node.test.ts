import { afterEach, beforeEach, expect, test } from '@jest/globals';
import { DeviceError } from '../../../lib/errors.js';
import { compute, type OwnCompute, tinyFile } from '../../support/native.js';

// A device other than the CPU is asked about every node, since one that it does not know would end the process.
// Here the CPU stands for such a device.

let own: OwnCompute;
let supports: (asked: number) => boolean;
let asked: number;
let restore: () => void;

beforeEach(async () => {
  own = await compute(await tinyFile({ architecture: 'llama', layers: 3 }), { threads: 1 });
  const { backend } = own.arena.model;
  const { ggml } = backend.runtime;
  const real = ggml.devSupportsOp;
  asked = 0;
  supports = () => true;
  ggml.devSupportsOp = (device, node) => real(device, node) && supports(asked++);
  Object.defineProperty(backend, 'isCpu', { value: false, configurable: true });
  restore = () => {
    ggml.devSupportsOp = real;
    delete (backend as { isCpu?: boolean }).isCpu;
  };
});
afterEach(async () => {
  restore();
  await own.dispose();
});

test('a node that the device does not know is refused before it is computed, whichever it is', async () => {
  using sequence = own.arena.createSequence();
  await sequence.append(own.tokens(20, 1));
  const kv = await sequence.capture({ start: 3, end: 9 });
  const { free } = own.arena;
  const runs: (() => Promise<unknown>)[] = [
    () => sequence.append(own.tokens(9, 2)),
    () => sequence.append(own.tokens(1, 2)),
    () => sequence.probe(own.tokens(4, 3)),
    () => sequence.splice(kv),
  ];
  const { backend } = own.arena.model;
  const real = backend.compute.bind(backend);
  let computes = 0;
  backend.compute = (...args) => {
    computes++;
    return real(...args);
  };
  for (const run of runs) {
    for (const place of [0, 1, 7]) {
      asked = 0;
      supports = (node) => node !== place;
      computes = 0;
      const running = run();
      await expect(running).rejects.toThrow(DeviceError);
      await expect(running).rejects.toThrow(/CPU does not support .* Use device: 'cpu'/);
      expect(asked).toBe(place + 1);
      expect(computes).toBe(0);
      expect(sequence.length).toBe(20);
      expect(own.arena.free).toBe(free);
    }
  }
  backend.compute = real;
});

test('after a refusal the engine computes what it did before', async () => {
  using sequence = own.arena.createSequence();
  const ask = async (): Promise<Float32Array | undefined> => {
    using fork = sequence.fork();
    return (await fork.append(own.tokens(5, 4), { logits: 'all' })).logits?.values;
  };
  await sequence.append(own.tokens(20, 1));
  const before = await ask();
  supports = () => false;
  await expect(ask()).rejects.toThrow(DeviceError);
  await expect(sequence.append(own.tokens(1, 2))).rejects.toThrow(DeviceError);
  supports = () => true;
  asked = 0;
  expect(await ask()).toEqual(before);
  expect(asked).toBeGreaterThan(30);
});
