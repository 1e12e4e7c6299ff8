import type { GenerateRequest, GenerateResult } from '../../language-model.js';

/** Counts up with every change of the prompt: answers to an older one are not taken for those to a newer one. */
export const marginPromptVersion = 1;

/** Asks whether two pieces of text are one passage; the answer is the number of a choice. */
export function marginQuestion(first: string, second: string): Omit<GenerateRequest, 'signal'> {
  return {
    prompt: `You divide documents into passages, each about one matter. Below are a passage and the sentence that follows it.

1: The sentence begins a new passage.
2: The sentence belongs to the passage.

Passage:
${first}

Sentence:
${second}

Which is right? Answer with 1 or 2 and nothing else.`,
    maxTokens: 1,
    topLogprobs: 20,
  };
}

/** Together at least so likely, or the model said something else. */
const leastSense = 0.01;

/**
 * Margin of keeping the two together over cutting between them, in [-1, 1], from the probabilities of the answers' first
 * tokens, which are taken to be the only ones: `(P("2") - P("1")) / (P("2") + P("1"))`. Undefined where neither is likely.
 */
export function marginOf({ firstToken = [] }: GenerateResult): number | undefined {
  let cut = 0;
  let keep = 0;
  for (const { text, logprob } of firstToken) {
    const answer = text.trim();
    if (answer === '1') cut += Math.exp(logprob);
    if (answer === '2') keep += Math.exp(logprob);
  }
  const both = cut + keep;
  return both >= leastSense ? (keep - cut) / both : undefined;
}
