import { PieceEncoder } from '../../../bench/fidelity/encode.js';
import { FidelityLab } from '../../../bench/fidelity/lab.js';
import { fidelityCases } from '../../../bench/fidelity/prompts.js';
import { keyScope, memoryStore } from '../../../lib/index.js';
import { createPromptLayout, type PassageLayout } from '../../../lib/prompt.js';
import { FakeEngine } from '../../../lib/testing/index.js';

const text =
  'The mill at Orrin ground oats for the valley. Its wheel was cut from larch in one winter. ' +
  'The miller kept bees behind the wheel house. Their honey went to the market at Tarn. ' +
  'A flood took the dam in spring and the wheel stood still. The valley bought flour from Tarn that year. ';

/** A fidelity lab over the fake engine, and one small case. */
export async function fakeLab({
  sortPairs = 0,
  layout: places = 'sequence',
}: { readonly sortPairs?: number; readonly layout?: PassageLayout } = {}) {
  const engine = new FakeEngine();
  const frame = { system: '', instructions: '' };
  const layout = await createPromptLayout(engine, { ...frame, question: (question) => question });
  const cases = await fidelityCases(
    engine,
    layout,
    [
      {
        id: '0',
        question: 'What did the wheel of the mill grind?',
        answers: ['oats'],
        corpus: '0',
        documents: [{ id: '0', text }],
        gold: { kind: 'answer' },
      },
    ],
    {
      pieces: 3,
      pieceTokens: 48,
      answerTokens: 3,
      half: 'all',
      limit: 1,
      seed: 1,
      ...(sortPairs > 0 && { sort: { pairs: sortPairs, layout } }),
    },
  );
  const arena = await engine.createArena({ cells: 4096 });
  const prefix = arena.createSequence();
  await prefix.append(layout.prefix, { logits: 'none' });
  const { model, tokenizer } = engine;
  const keys = await keyScope({ model, tokenizer, prefix: layout.prefix });
  const neutral = Int32Array.of(40, 41, 42);
  const store = memoryStore();
  const encoder = new PieceEncoder({
    engine,
    prefix,
    keys,
    store,
    neutral,
    async shortened(count) {
      const tokens = layout.prefix.slice(0, count);
      const head = arena.createSequence();
      await head.append(tokens, { logits: 'none' });
      const scope = await keyScope({ model, tokenizer, prefix: tokens });
      return { engine, prefix: head, keys: scope, store, neutral };
    },
  });
  const lab = new FidelityLab({ engine, arena, prefix, encoder, freeTokens: 0, layout: places });
  return { engine, layout, arena, prefix, lab, item: cases[0]! };
}
