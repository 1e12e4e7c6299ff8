import { afterAll, beforeAll, expect, test } from '@jest/globals';
import { PIECE_ROWS } from '../../../adapters/ggml/model.js';
import type { KvSequence } from '../../../lib/engine/arena.js';
import { compute, type OwnCompute, tinyFile } from '../../support/native.js';

const PIECES = 3;

let own: OwnCompute;

beforeAll(async () => {
  own = await compute(await tinyFile({ architecture: 'llama', contextLength: 4096 }), {
    cells: 2 * PIECES * PIECE_ROWS + 512,
  });
});
afterAll(() => own.dispose());

/** Prefills as many pieces; each that is done goes to `log`. */
function prefill(sequence: KvSequence, name: string, log: string[]): Promise<unknown> {
  return sequence.append(own.tokens(PIECES * PIECE_ROWS), { onProgress: () => log.push(name) });
}

test('two prefills take turns, a piece of rows at a time', async () => {
  const log: string[] = [];
  using a = own.arena.createSequence();
  using b = own.arena.createSequence();
  await Promise.all([prefill(a, 'a', log), prefill(b, 'b', log)]);
  expect(log).toEqual(Array.from({ length: PIECES }, () => ['a', 'b']).flat());
});

test('a decode step waits for one piece of a long prefill, not for all of it', async () => {
  const log: string[] = [];
  using decoding = own.arena.createSequence();
  await decoding.append(own.tokens(8));
  using other = own.arena.createSequence();
  const filling = prefill(other, 'piece', log);
  while (log.filter((name) => name === 'piece').length < PIECES) {
    await decoding.append(Int32Array.of(300));
    log.push('step');
  }
  await filling;
  const pieces = log.flatMap((name, at) => (name === 'piece' ? [at] : []));
  expect(pieces).toHaveLength(PIECES);
  // Between two pieces one step, and no more than one: both come to their turn.
  for (const [i, at] of pieces.slice(1).entries()) expect(at - (pieces[i] as number)).toBe(2);
});
