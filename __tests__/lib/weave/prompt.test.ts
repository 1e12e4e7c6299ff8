import { afterEach, expect, test } from '@jest/globals';
import * as fc from 'fast-check';
import { createPromptLayout, fitPrompt } from '../../../lib/prompt.js';
import { FakeEngine } from '../../../lib/testing/index.js';
import { disposeAll, indexedWeave, question } from './support.js';

afterEach(disposeAll);

test('a prompt is the frame, the passages as they were cut, and the question', async () => {
  const { weave, engine } = await indexedWeave({ system: 'Be brief.' });
  const { tokens, prefix, passages, question: asked, sources } = await weave.prompt(question);
  const text = (span: { start: number; end: number }) =>
    engine.tokenizer.decode(tokens.subarray(span.start, span.end), { special: true });
  expect(text(prefix)).toMatch(/^<s><\|im_start\|>system\nBe brief\.<\|im_end\|>\n/);
  expect(text(prefix)).toMatch(/<\|im_start\|>user\nPassages:\n\n$/);
  for (const [i, source] of sources.entries())
    expect(text(passages[i]!)).toBe(`${source.text}\n\n`);
  expect(text(asked)).toBe(
    `Using the passages above, answer in one or two sentences: ${question}<|im_end|>\n<|im_start|>assistant\n`,
  );
  expect(passages[0]!.start).toBe(prefix.end);
  expect(asked).toEqual({ start: passages.at(-1)!.end, end: tokens.length });
});

test('a passage has the same ids in every prompt', async () => {
  const { weave } = await indexedWeave();
  const all = await weave.prompt(question);
  const ids = new Map(
    all.sources.map(({ chunkId }, i) => {
      const { start, end } = all.passages[i]!;
      return [chunkId, [...all.tokens.subarray(start, end)]];
    }),
  );
  const ranked = await weave.prompt('compass of the harbour office', { order: 'rank' });
  for (const [i, { chunkId }] of ranked.sources.entries()) {
    const { start, end } = ranked.passages[i]!;
    const known = ids.get(chunkId);
    if (known) expect([...ranked.tokens.subarray(start, end)]).toEqual(known);
  }
});

test('the words around can be changed, and left out', async () => {
  const engine = new FakeEngine({ chatTemplate: null, addBos: false });
  const layout = await createPromptLayout(engine, {
    system: '',
    instructions: '',
    separator: '',
    question: (text) => `Q: ${text}\nA:`,
  });
  const { tokenizer } = engine;
  expect(tokenizer.decode(await layout.question('why?'))).toContain('Q: why?\nA:');
  const chunk = { tokens: Int32Array.of(70, 71) };
  expect(layout.passage(chunk as Parameters<typeof layout.passage>[0])).toEqual(chunk.tokens);
});

test('what fits is within bounds, and as much as possible', () => {
  const sizes = fc.array(fc.integer({ min: 1, max: 50 }), { maxLength: 10 });
  const number = fc.integer({ min: 1, max: 100 });
  fc.assert(
    fc.property(
      sizes,
      number,
      number,
      fc.integer({ min: 50, max: 400 }),
      (passages, fixed, answer, available) => {
        fc.pre(fixed + (passages[0] ?? 0) + 1 <= available);
        const fit = fitPrompt({ passages, fixed, answer, available, overflow: 'drop' });
        const used = passages.slice(0, fit.kept).reduce((sum, size) => sum + size, fixed);
        if (used + fit.answer > available || fit.answer < 1 || fit.answer > answer) return false;
        if (passages.length > 0 && fit.kept < 1) return false;
        const next = passages[fit.kept];
        return next === undefined || used + next + answer > available;
      },
    ),
  );
});
