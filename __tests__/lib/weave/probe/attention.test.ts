import { expect, test } from '@jest/globals';
import { createPromptLayout } from '../../../../lib/prompt.js';
import { probedWeave, someChunks } from './support.js';

const question = 'Who kept the lantern of the harbour?';

test('attention is that of one pass over chunks that stand side by side', async () => {
  await using made = await probedWeave();
  const { engine, weave } = made;
  const chunks = await someChunks(engine, 4);
  await weave.probe.losses([chunks], { question });
  const before = engine.counters.rowLayers;
  const { chunks: seen, layers, work } = await weave.probe.attention(chunks, { question });
  const asked = (await engine.tokenizer.encode(`Question: ${question}`)).ids;
  expect(layers).toEqual(engine.model.probeLayers);
  expect(work.layerTokens).toBe(asked.length * (layers.at(-1)! + 1));
  expect(engine.counters.rowLayers - before).toBe(work.layerTokens);

  const layout = await createPromptLayout(engine, { system: 'Be brief.' });
  await using arena = await engine.createArena({ cells: 1024 });
  using prefix = arena.createSequence();
  await prefix.append(layout.prefix);
  using all = prefix.fork();
  for (const chunk of chunks) {
    using alone = prefix.fork();
    await alone.append(layout.passage(chunk));
    all.adopt(alone, { start: prefix.length, end: alone.length });
  }
  const { byEntry } = await all.probe(asked);
  let entry = prefix.length;
  const rest = [...byEntry.slice(0, entry), ...byEntry.slice(all.length)];
  const unit = rest.reduce((sum, mass) => sum + mass, 0);
  for (const [i, chunk] of chunks.entries()) {
    const { length } = layout.passage(chunk);
    expect(seen[i]).toHaveLength(length);
    for (let t = 0; t < length; t++) {
      expect(seen[i]![t]! * unit).toBeCloseTo(byEntry[entry + t]!, 4);
    }
    entry += length;
  }
});

test('candidates that do not fit at once are asked in several batches, missing ones left out', async () => {
  await using made = await probedWeave({ cells: 512 });
  const { engine, weave } = made;
  const chunks = await someChunks(engine, 14, 5);
  for (const chunk of chunks.slice(1)) await weave.probe.losses([[chunk]], { question });
  const { chunks: seen, work } = await weave.probe.attention(chunks, {
    question,
    missing: 'leave',
  });
  expect(work.batches).toBeGreaterThan(1);
  expect(seen[0]).toBeUndefined();
  for (const masses of seen.slice(1)) {
    expect(masses!.every((mass) => mass >= 0 && Number.isFinite(mass))).toBe(true);
  }
  const { cells } = await weave.stats();
  expect(cells.free).toBe(cells.total);
});
