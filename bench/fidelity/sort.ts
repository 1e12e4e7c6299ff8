import {
  type Chunk,
  InvalidArgumentError,
  type KvEngine,
  type KvSequence,
} from '../../lib/index.js';
import type { PromptLayout } from '../../lib/prompt.js';
import { seededInteger, seededRandom } from '../../lib/random.js';

/** Sequence-order recall: which of two passages stands first in a prompt, asked of what reads it. */
export interface SortProbe {
  /** Tokens of the answers: the option that is named first, and the other one. */
  readonly answers: readonly [number, number];
  readonly pairs: readonly SortPair[];
}

/** The same question twice: the passage that stands first as the first option, then as the second. */
export type SortPair = readonly [Int32Array, Int32Array];

export interface SortSettings {
  /** Pairs of passages to ask about; fewer where there are not as many. */
  readonly pairs: number;
  readonly seed: number;
}

/** Words that a passage is known by. */
const excerptWords = 12;

/** Of which the first are taken that are one token each. */
const names = [
  ['1', '2'],
  ['A', 'B'],
  [' 1', ' 2'],
] as const;

/**
 * @param layout puts a question as it is, without words of its own
 * @param chunks of the prompt, in order
 * @throws InvalidArgumentError when the model has no single tokens to answer with
 */
export async function sortProbe(
  { tokenizer }: Pick<KvEngine, 'tokenizer'>,
  layout: PromptLayout,
  chunks: readonly Pick<Chunk, 'text'>[],
  { pairs: count, seed }: SortSettings,
): Promise<SortProbe> {
  const { answers, options } = await answersOf(tokenizer);
  const excerpts = chunks.map(({ text }) =>
    text.trim().split(/\s+/u).slice(0, excerptWords).join(' '),
  );
  const all = excerpts.flatMap((first, i) =>
    // Passages that begin alike cannot be told apart.
    excerpts.slice(i + 1).flatMap((second) => (first === second ? [] : [[first, second] as const])),
  );
  const random = seededRandom(seed);
  const pairs: SortPair[] = [];
  while (pairs.length < count && all.length > 0) {
    const [[first, second]] = all.splice(seededInteger(random, all.length), 1) as [(typeof all)[0]];
    const ask = (one: string, other: string) => layout.question(sortQuestion(options, one, other));
    pairs.push([await ask(first, second), await ask(second, first)]);
  }
  return { answers, pairs };
}

/**
 * How many pairs are answered rightly. The log-probabilities that both ways of asking give the right answer are added
 * up, so that liking one of the options by itself gains nothing.
 * @param end entries of the sequence that stand before a question; the sequence stays as it was
 */
export async function sortRight(
  sequence: KvSequence,
  end: number,
  { answers: [one, two], pairs }: SortProbe,
): Promise<number> {
  /** How much likelier the first option is, in nats. */
  const leaning = async (ask: Int32Array): Promise<number> => {
    using fork = sequence.fork(end);
    const { logits } = await fork.append(ask);
    return (logits?.values[one] ?? NaN) - (logits?.values[two] ?? NaN);
  };
  let right = 0;
  for (const [straight, turned] of pairs) {
    if ((await leaning(straight)) - (await leaning(turned)) > 0) right++;
  }
  return right;
}

function sortQuestion([one, two]: readonly string[], first: string, second: string): string {
  return `Here are two excerpts from the passages above.\n\nExcerpt ${one}: "${first}"\n\nExcerpt ${two}: "${second}"\n\nWhich of the two came first in the passages? Answer with ${one} or ${two} only.`;
}

async function answersOf(tokenizer: KvEngine['tokenizer']) {
  for (const options of names) {
    const [one, two] = await Promise.all(options.map((name) => tokenizer.encode(name)));
    const [a, b] = [one?.ids ?? [], two?.ids ?? []];
    if (a.length === 1 && b.length === 1 && a[0] !== b[0]) {
      const answers = [a[0] as number, b[0] as number] as const;
      return { answers, options: options.map((name) => name.trim()) };
    }
  }
  throw new InvalidArgumentError(
    `--sort: this model has no single tokens for ${names.map((pair) => pair.join(' and ')).join(', or ')}. Leave the option out.`,
  );
}
