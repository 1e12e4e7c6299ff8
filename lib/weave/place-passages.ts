import type { KvSequence } from '../engine/arena.js';
import type { Span } from '../engine/span.js';
import type { Obtained } from './kv-library.js';
import type { PreparedPrompt } from './prepare.js';
import { placesOf, type Woven } from './refresh.js';

/** Puts passages behind the prefix, each at its position as soon as it is there; again where the layout says so. */
export async function placePassages(
  sequence: KvSequence,
  items: readonly Promise<Obtained>[],
  prompt: PreparedPrompt,
  signal: AbortSignal,
): Promise<Woven> {
  const spans: Span[] = [];
  const obtained: Obtained[] = [];
  for (const [i, { start }] of placesOf(prompt).entries()) {
    const number = i % items.length;
    const got = obtained[number] ?? (await (items[number] as Promise<Obtained>));
    obtained[number] = got;
    const position = prompt.positions[start] ?? 0;
    spans.push(await sequence.splice(got.record.kv, { position, signal }));
  }
  return { sequence, spans, obtained };
}
