import { afterEach, describe, expect, test } from '@jest/globals';
import { ContextOverflowError, fullPolicy } from '../../../../lib/index.js';
import { largestDifference, watchLogits } from '../../../support/logits-watch.js';
import { disposeAll, question } from '../support.js';
import { chatWeave, distanceFromPrefill } from './support.js';

afterEach(disposeAll);

const questions = [
  question,
  'What did the keeper write every evening?',
  'Which fish do boats unload at the quay?',
  'When does the tower clock strike?',
  'What is the oldest thing in the museum?',
  'Who feared the winter storms?',
];

describe('a full window', () => {
  test('forgets the oldest turns, says so, and never overflows', async () => {
    const { weave } = await chatWeave({ topK: 1, cells: 600 });
    const chat = weave.chat();
    let forgotten = 0;
    for (const [i, asked] of [...questions, ...questions].entries()) {
      const answer = await chat.ask(asked);
      expect(answer.turn).toBe(i + 1);
      expect(answer.conversationTokens).toBeLessThanOrEqual(600);
      const { usage } = answer;
      expect(usage.cached + usage.recomputed + usage.fresh).toBe(usage.prompt);
      expect(answer.notes.some((note) => note.includes('is full'))).toBe(answer.forgotten > 0);
      forgotten += answer.forgotten;
      expect(chat.turns).toHaveLength(i + 1 - forgotten);
    }
    expect(forgotten).toBeGreaterThan(3);
    // Room for some turns is made at once: most turns forget nothing.
    expect(chat.turns.length).toBeGreaterThan(1);
  });

  test('leaves what a chat of the turns that stay would be', async () => {
    const policy = fullPolicy();
    const { weave, engine } = await chatWeave({ topK: 1, cells: 600, policy });
    const chat = weave.chat();
    const rows = watchLogits(engine);
    for (const asked of [...questions, ...questions]) {
      const at = rows.length;
      const { forgotten, usage } = await chat.ask(asked);
      if (forgotten === 0) continue;
      // Nothing of what was forgotten is left: all is as computed from its first token.
      const prompt = (await chat.tokens()).slice(0, usage.prompt);
      expect(await distanceFromPrefill(engine, prompt, rows[at]!)).toBeLessThan(1e-4);
      return;
    }
    throw new Error('nothing was forgotten');
  });

  test('fails where the caller wants that, and the chat stays as it was', async () => {
    const { weave } = await chatWeave({ topK: 1, cells: 600 });
    const chat = weave.chat({ whenFull: 'throw' });
    const ask = async () => {
      for (const asked of [...questions, ...questions]) await chat.ask(asked);
    };
    const error = await ask().catch((reason: unknown) => reason);
    expect(error).toBeInstanceOf(ContextOverflowError);
    expect(error).toMatchObject({ available: 600 });
    const { turns } = chat;
    expect(turns.length).toBeGreaterThan(2);
    // A shorter answer may fit still; the same does not.
    await expect(chat.ask(questions.at(-1)!, { maxTokens: 500 })).rejects.toBeInstanceOf(
      ContextOverflowError,
    );
    expect(chat.turns).toEqual(turns);
  });

  test('the model’s own context is one too', async () => {
    const { weave } = await chatWeave({ topK: 1, cells: 4096, fake: { contextLength: 600 } });
    const chat = weave.chat({ keep: 0 });
    let forgotten = 0;
    for (const asked of [...questions, ...questions]) {
      const answer = await chat.ask(asked);
      expect(answer.conversationTokens).toBeLessThanOrEqual(600);
      // With 0 all goes at once.
      if (answer.forgotten > 0) expect(chat.turns).toHaveLength(1);
      forgotten += answer.forgotten;
    }
    expect(forgotten).toBeGreaterThan(0);
  });

  test('a question that does not fit at all is refused', async () => {
    const { weave } = await chatWeave({ topK: 1, cells: 300 });
    const chat = weave.chat();
    await chat.ask(question);
    await expect(chat.ask(question.repeat(20))).rejects.toBeInstanceOf(ContextOverflowError);
    expect(chat.turns).toHaveLength(1);
    expect((await chat.ask(questions[1]!)).turn).toBe(2);
  });
});

describe('several chats in the cells of one weave', () => {
  test('lend them to each other, and say so', async () => {
    const { weave, engine } = await chatWeave({ topK: 1, cells: 700 });
    const alone = await chatWeave({ topK: 1, cells: 4096 });
    const expected = alone.weave.chat();
    const chats = Array.from({ length: 4 }, () => weave.chat());
    const rows = watchLogits(engine);
    const wanted = watchLogits(alone.engine);
    let rewoven = 0;
    for (const asked of questions.slice(0, 3)) {
      const [from, to] = [wanted.length, rows.length];
      const { text } = await expected.ask(asked);
      for (const [i, chat] of chats.entries()) {
        const answer = await chat.ask(asked);
        if (answer.notes.some((note) => note.includes('in no cells any more'))) rewoven++;
        // Woven anew it is the same conversation, but for what an earlier turn's passages saw repaired.
        expect(answer.text).toBe(text);
        if (i === 0) expect(largestDifference(wanted[from]!, rows[to]!)).toBeLessThan(1e-4);
      }
    }
    expect(rewoven).toBeGreaterThan(0);
    for (const chat of chats) await chat.dispose();
    const { cells } = await weave.stats();
    expect(cells.free).toBe(cells.total);
  });

  test('questions of the weave come first: an idle chat keeps none from being answered', async () => {
    const { weave } = await chatWeave({ topK: 2, cells: 400 });
    const chat = weave.chat();
    await chat.ask(question);
    const before = (await weave.stats()).cells;
    expect(before.free).toBeLessThan(before.total - 100);
    await Promise.all(questions.map((asked) => weave.ask(asked)));
    const after = (await weave.stats()).cells;
    expect(after.free).toBe(after.total);
    const next = await chat.ask(questions[1]!, { topK: 0 });
    expect(next.turn).toBe(2);
    expect(next.notes.join()).toMatch(/in no cells any more/);
    // Passages come from the store, what was said is computed.
    expect(next.usage.cached).toBeGreaterThan(50);
    expect(next.usage.fresh).toBeGreaterThan(0);
  });

  test('at once, in less cells than all of them need', async () => {
    const { weave } = await chatWeave({ topK: 1, cells: 500, maxTokens: 4 });
    const chats = Array.from({ length: 5 }, () => weave.chat());
    for (const asked of questions.slice(0, 3)) {
      await Promise.all(chats.map((chat) => chat.ask(asked)));
    }
    expect(chats.map(({ turns }) => turns.length)).toEqual([3, 3, 3, 3, 3]);
    expect(
      new Set(chats.map(({ turns }) => turns.map(({ answer }) => answer).join('|'))).size,
    ).toBe(1);
  });
});
