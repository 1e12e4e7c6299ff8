import { afterAll, beforeAll, expect, test } from '@jest/globals';
import type { KvSequence, Span } from '../../../lib/index.js';
import { joinPrompt, type PassageLayout, type PromptTokens } from '../../../lib/prompt.js';
import { prefillPrompt } from '../../../lib/weave/prefill-prompt.js';
import { distance } from '../../support/logits.js';
import { compute, type OwnCompute, tinyFile } from '../../support/native.js';
import { emptyCell, type PlainCell, PlainTransformer } from '../../support/plain-transformer.js';

let own: OwnCompute;
let plain: PlainTransformer;

beforeAll(async () => {
  const path = await tinyFile({
    architecture: 'llama',
    layers: 3,
    width: 32,
    heads: 4,
    kvHeads: 2,
    headDim: 16,
    contextLength: 4096,
  });
  own = await compute(path, { cells: 512, threads: 1 });
  plain = await PlainTransformer.open(path);
});
afterAll(() => own.dispose());

const { signal } = new AbortController();

function promptOf(layout: PassageLayout): PromptTokens {
  const pieces = [7, 9, 5, 6, 8, 4].map((count, i) => own.tokens(count, i + 1));
  const [prefix, a, b, c, question, earlier] = pieces as [Int32Array, ...Int32Array[]];
  return joinPrompt(
    { prefix, passages: [a!, b!, c!], earlier: earlier!, question: question! },
    layout,
  );
}

/** Logits after the prompt's last token, each token seeing what is at or before it and not hidden from it. */
function plainly(
  { tokens, positions, passages }: PromptTokens,
  isHidden: (passage: number, other: number) => boolean,
): Float32Array {
  const passageOf = (token: number): number =>
    passages.findIndex(({ start, end }) => token >= start && token < end);
  const cells: PlainCell[] = Array.from(tokens, (token, i) =>
    emptyCell(token, positions[i] as number),
  );
  const rows = cells.map((cell, i) =>
    plain.row(
      cell,
      cells.filter((_, j) => !isHidden(passageOf(i), passageOf(j))),
    ),
  );
  plain.advance(rows, 0, 3);
  return plain.logits(rows.at(-1)!);
}

async function prefilled(prompt: PromptTokens): Promise<Float32Array> {
  using sequence = own.arena.createSequence();
  return (await prefillPrompt(sequence, prompt, signal)).logits!.values;
}

test('a set is what a plain transformer gives whose passages do not see each other', async () => {
  const prompt = promptOf('set');
  const expected = plainly(prompt, (a, b) => a >= 0 && b >= 0 && a !== b);
  const { free } = own.arena;
  const close = distance(expected, await prefilled(prompt), own.vocabSize);
  expect(close.kl).toBeLessThan(1e-4);
  expect(own.arena.free).toBe(free);
  // Were they seen, that would show.
  const seen = plainly(prompt, () => false);
  expect(distance(expected, seen, own.vocabSize).kl).toBeGreaterThan(10 * close.kl);
});

test('passages spliced as a set are what computing them anew gives, in any order', async () => {
  const prompt = promptOf('set');
  const full = await prefilled(prompt);
  const of = ({ start, end }: Span) => prompt.tokens.slice(start, end);
  using prefix = own.arena.createSequence();
  await prefix.append(of(prompt.prefix), { logits: 'none' });
  const woven = async (order: readonly number[]): Promise<Float32Array> => {
    using sequence: KvSequence = prefix.fork();
    for (const passage of order) {
      using alone = prefix.fork();
      await alone.append(of(prompt.passages[passage]!), { logits: 'none' });
      const kv = await alone.capture({ start: prefix.length, end: alone.length });
      await sequence.splice(kv, { position: prefix.length });
    }
    const { logits } = await sequence.append(of(prompt.question));
    return logits!.values;
  };
  for (const order of [
    [0, 1, 2],
    [2, 0, 1],
  ]) {
    expect(distance(full, await woven(order), own.vocabSize).kl).toBeLessThan(1e-4);
  }
});

test.each(['twice', 'around'] as const)(
  '%s: an earlier question computed after what follows it is what a plain prefill gives',
  async (layout) => {
    const prompt = promptOf(layout);
    const full = await prefilled(prompt);
    const { tokens, positions, earlier, question } = prompt;
    const span = earlier!;
    using sequence = own.arena.createSequence();
    const rest = Int32Array.from(tokens.keys()).filter(
      (i) => i < question.start && (i < span.start || i >= span.end),
    );
    await sequence.append(
      rest.map((i) => tokens[i]!),
      { positions: rest.map((i) => positions[i]!), logits: 'none' },
    );
    const { logits } = await own.arena.forward([
      { kind: 'refresh', sequence, entries: Int32Array.from(rest.keys()) },
      {
        kind: 'append',
        sequence,
        tokens: tokens.slice(span.start, span.end),
        positions: positions.slice(span.start, span.end),
      },
      { kind: 'append', sequence, tokens: tokens.slice(question.start) },
    ]);
    const last = logits!.values.subarray(-own.vocabSize);
    expect(distance(full, last, own.vocabSize).kl).toBeLessThan(1e-4);
  },
);
