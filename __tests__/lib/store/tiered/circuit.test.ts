import { expect, test } from '@jest/globals';
import * as fc from 'fast-check';
import { Circuit, type CircuitOptions } from '../../../../lib/store/tiered/circuit.js';
import { memoryStore, type StoreEvent, tieredStore } from '../../../../lib/index.js';
import { sampleKey, sampleRecord } from '../../../../lib/testing/index.js';
import { forever, sleep, StandIn, until } from './support.js';

function watched(options: CircuitOptions) {
  const events: string[] = [];
  const clock = { now: 0 };
  const circuit = new Circuit(
    options,
    { onOpen: (problem) => events.push(`open: ${problem}`), onClosed: () => events.push('closed') },
    () => clock.now,
  );
  const fail = () => circuit.enter()?.failed('no');
  return { circuit, events, clock, fail };
}

test('it opens after failures in a row, and a success in between counts anew', () => {
  const { circuit, events, fail } = watched({ failures: 3 });
  fail();
  fail();
  circuit.enter()?.succeeded();
  fail();
  fail();
  expect(circuit.isOpen).toBe(false);
  fail();
  expect(circuit.isOpen).toBe(true);
  expect(events).toEqual(['open: no']);
  expect(circuit.enter()).toBeUndefined();
});

test('after the cool-down one call is let through, and its end decides', () => {
  const { circuit, events, clock, fail } = watched({ failures: 1, coolDownMs: 100 });
  fail();
  clock.now = 99;
  expect(circuit.enter()).toBeUndefined();
  clock.now = 100;
  const probe = circuit.enter();
  expect(probe).toBeDefined();
  expect(circuit.enter()).toBeUndefined();
  probe?.succeeded();
  expect(events).toEqual(['open: no', 'closed']);
  expect(circuit.enter()).toBeDefined();
});

test('the cool-down doubles while probes fail, up to its bound, and starts anew after a success', () => {
  const { circuit, clock, fail } = watched({ failures: 1, coolDownMs: 100, maxCoolDownMs: 300 });
  fail();
  const waits: number[] = [];
  for (let i = 0; i < 4; i++) {
    waits.push(circuit.waitMs);
    clock.now += circuit.waitMs;
    fail();
  }
  expect(waits).toEqual([100, 200, 300, 300]);
  clock.now += 300;
  circuit.enter()?.succeeded();
  fail();
  expect(circuit.waitMs).toBe(100);
});

test('a probe whose caller left lets the next one through', () => {
  const { circuit, clock, fail } = watched({ failures: 1, coolDownMs: 10 });
  fail();
  clock.now = 10;
  circuit.enter()?.left();
  expect(circuit.enter()).toBeDefined();
});

test('calls that began before it opened change nothing', () => {
  const { circuit, events, fail } = watched({ failures: 2 });
  const early = [circuit.enter(), circuit.enter()];
  fail();
  fail();
  early[0]?.succeeded();
  early[1]?.failed('late');
  expect(circuit.isOpen).toBe(true);
  expect(events).toEqual(['open: no']);
});

test('whatever happens, at most one probe is out, and it is open exactly between its events', () => {
  const step = fc.record({
    wait: fc.nat(500),
    end: fc.constantFrom('succeeded', 'failed', 'left', 'later'),
  });
  fc.assert(
    fc.property(
      fc.array(step, { maxLength: 60 }),
      fc.integer({ min: 1, max: 4 }),
      (steps, most) => {
        const { circuit, events, clock } = watched({ failures: most, coolDownMs: 100 });
        let probes = 0;
        for (const { wait, end } of steps) {
          clock.now += wait;
          const wasOpen = circuit.isOpen;
          const pass = circuit.enter();
          if (wasOpen && pass) probes++;
          expect(probes).toBeLessThanOrEqual(1);
          if (end === 'later') continue;
          if (end === 'failed') pass?.failed('no');
          else pass?.[end as 'succeeded' | 'left']();
          if (wasOpen && pass) probes--;
          expect(circuit.isOpen).toBe(events.at(-1)?.startsWith('open') ?? false);
        }
      },
    ),
  );
});

test('a dead tier is left alone after some missed deadlines, tried again later, and used when it answers', async () => {
  const events: StoreEvent[] = [];
  const [remote, local] = [new StandIn(), memoryStore()];
  await remote.inner.put(sampleKey(1), sampleRecord());
  const store = tieredStore(
    [
      local,
      { store: remote, name: 'remote', deadlineMs: 15, circuit: { failures: 3, coolDownMs: 500 } },
    ],
    { onEvent: (event) => event.type === 'circuit' && events.push(event) },
  );
  remote.before = forever;
  for (let i = 0; i < 10; i++) expect(await store.get(sampleKey(1))).toBeUndefined();
  expect(remote.count('get')).toBe(3);
  expect((await store.stats()).missesBy).toEqual({ late: 3, failed: 7 });
  expect(store.backlog()[1]).toMatchObject({ name: 'remote', isLeftAlone: true });

  // Left alone, it costs no time.
  const start = performance.now();
  for (let i = 0; i < 100; i++) await store.get(sampleKey(2));
  expect(performance.now() - start).toBeLessThan(1000);
  expect(remote.count('get')).toBeLessThanOrEqual(4);

  await sleep(520);
  const before = remote.count('get');
  await store.get(sampleKey(1));
  expect(remote.count('get')).toBe(before + 1);
  remote.before = () => {};
  await until(async () => (await store.get(sampleKey(1))) !== undefined);
  expect(store.backlog()[1]?.isLeftAlone).toBe(false);
  expect(events).toMatchObject([
    { store: 'remote', state: 'open', problem: expect.stringMatching(/within 15 ms/) },
    { store: 'remote', state: 'closed' },
  ]);
  expect(await local.has(sampleKey(1))).toBe(true);
});
