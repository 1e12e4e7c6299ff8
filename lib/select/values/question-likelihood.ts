/**
 * How the likelihood of a question behind a text is made a score.
 *
 * - `none`: the mean log-likelihood of its tokens, nats a token.
 * - `contextual`: that less the same without the text, so the pointwise mutual information of both, a token. It orders the
 *   texts for one question as `none` does; only its zero says something: the text makes the question no likelier.
 * - `gains`: as `contextual`, but tokens that the text makes less likely count as unchanged, so that one odd word does not cost
 *   a text what all others speak for.
 */
export type Calibration = 'none' | 'contextual' | 'gains';

/** @param losses of the question's tokens behind the text and without it, nats. */
export function likelihoodScore(
  losses: Float32Array,
  alone: Float32Array | undefined,
  calibration: Calibration,
): number {
  let total = 0;
  for (const [i, loss] of losses.entries()) {
    if (calibration === 'none') total -= loss;
    else {
      const gain = (alone?.[i] ?? 0) - loss;
      total += calibration === 'gains' ? Math.max(0, gain) : gain;
    }
  }
  return losses.length > 0 ? total / losses.length : 0;
}
