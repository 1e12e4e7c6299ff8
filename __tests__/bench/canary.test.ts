import { expect, test } from '@jest/globals';
import { askPlain, askWoven, type CanaryLab, encodeCanary } from '../../bench/canary/arms.js';
import { canaryOf } from '../../bench/canary/secrets.js';
import { fullPolicy, nonePolicy } from '../../lib/index.js';
import { createPromptLayout } from '../../lib/prompt.js';
import { FakeEngine } from '../../lib/testing/index.js';

async function fakeLab(): Promise<CanaryLab> {
  const engine = new FakeEngine();
  const layout = await createPromptLayout(engine, { system: '', instructions: '' });
  const arena = await engine.createArena({ cells: 3000 });
  const prefix = arena.createSequence();
  await prefix.append(layout.prefix, { logits: 'none' });
  return { engine, layout, prefix };
}

test('a canary tells its secret in one text only, and its decoy in the same words', () => {
  const secrets = new Set<string>();
  for (let seed = 1; seed <= 20; seed++) {
    const { place, secret, decoy, telling, passage, others, asking } = canaryOf(seed);
    secrets.add(secret);
    expect(secret.split(' ')).toHaveLength(4);
    expect(secret).not.toBe(decoy);
    expect(telling(secret)).toBe(telling(decoy).replace(decoy, secret));
    const rest = [passage, ...others, ...asking.flatMap((one) => Object.values(one))].join(' ');
    for (const word of secret.split(' ')) expect(rest).not.toContain(` ${word} `);
    expect(passage).toContain(place);
    for (const other of others) expect(other).not.toContain(place);
  }
  expect(secrets.size).toBe(20);
  expect(canaryOf(3).secret).toBe(canaryOf(3).secret);
});

test('what is computed again in full tells what a prompt without the secret tells, whatever the warm-up was', async () => {
  const lab = await fakeLab();
  const { free } = lab.prefix.arena;
  const base = canaryOf(4);
  // Double precision is slow: one way to ask will do.
  const canary = { ...base, asking: base.asking.slice(0, 1) };
  const { others, passage, secret } = canary;
  const plain = await askPlain(lab, canary, [others[0], passage, others[1]]);
  const pieces = await encodeCanary(lab, canary, 'document', secret);
  const repaired = await askWoven(lab, canary, pieces, fullPolicy());
  expect(repaired.logProbability).toBeCloseTo(plain.logProbability, 4);
  const left = await askWoven(lab, canary, pieces, nonePolicy());
  expect(Math.abs(left.logProbability - plain.logProbability)).toBeGreaterThan(1e-3);
  expect(lab.prefix.arena.free).toBe(free);
});
