import type { TextSignal } from '../../lib/evaluate/index.js';
import { sentenceLosses } from '../../lib/chunkers/model/loss-minima.js';
import { dot, embedTexts, textsOf } from '../../lib/chunkers/embedded-units.js';
import { joinsOf } from '../../lib/chunkers/segmenter/joins.js';
import { minilmWeights } from '../../lib/chunkers/segmenter/minilm-weights.js';
import { loadWeights } from '../../lib/chunkers/segmenter/weights.js';
import { unitsOf } from '../../lib/chunkers/units.js';
import type { Embedder, TokenizedDocument, TokenLosses } from '../../lib/index.js';
import { runSteps } from '../../lib/pace.js';

/** Tokens at the beginning of each text: more than the page shows. */
const shownTokens = 4000;

/** What chunkers go by, sentence for sentence: losses of a model, distances of vectors, what the segmenter says. */
export async function signalsOf(
  documents: readonly TokenizedDocument[],
  from: { readonly losses: TokenLosses | undefined; readonly embedder: Embedder | undefined },
): Promise<Map<string, TextSignal[]>> {
  const signals = new Map<string, TextSignal[]>();
  for (const document of documents) {
    const { text, tokens } = document;
    let count = Math.min(shownTokens, tokens.ids.length);
    // Not inside of a character.
    while ((tokens.starts[count] as number) < 0) count--;
    const begun: TokenizedDocument = {
      ...document,
      text: text.slice(0, tokens.starts[count]),
      tokens: {
        ids: tokens.ids.subarray(0, count),
        starts: tokens.starts.slice(0, count + 1),
      },
    };
    const { starts, size } = await runSteps(unitsOf(begun, 120), {});
    const place = (unit: number): number => tokens.starts[starts[unit] as number] as number;
    const at = (values: ArrayLike<number>, first: number) =>
      Array.from(values, (value, i) => ({ at: place(first + i), value }));
    const found: TextSignal[] = [];
    if (from.losses) {
      const sentences = Array.from({ length: size }, (_, i) => ({
        start: starts[i] as number,
        end: starts[i + 1] as number,
      }));
      const losses = await from.losses.lossesOf(begun.tokens.ids, sentences);
      found.push({ name: 'loss, nats a token', points: at(sentenceLosses(losses, sentences), 0) });
    }
    if (from.embedder) {
      const vectors = await embedTexts(from.embedder, textsOf(begun, starts, 0), 'passage', {});
      const distances = Array.from(
        { length: Math.max(0, size - 1) },
        (_, i) => 1 - dot(vectors, i, vectors, i + 1),
      );
      found.push({ name: 'distance to the sentence before', points: at(distances, 1) });
      if (from.embedder.fingerprint === minilmWeights.embedder) {
        const joins = await runSteps(
          joinsOf(vectors, loadWeights(minilmWeights, from.embedder)),
          {},
        );
        found.push({
          name: 'probability of a new paragraph',
          points: at(
            joins.map((p) => 1 - p),
            1,
          ),
        });
      }
    }
    signals.set(document.id, found);
  }
  return signals;
}
