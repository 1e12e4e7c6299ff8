/** How far two sets of logits `[rows][vocab]` are apart. */
export interface Distance {
  /** Mean over rows of KL(a || b) of the softmaxed logits, in nats. */
  readonly kl: number;
  /** Largest difference of a logit, in standard deviations of the logits of `a`. */
  readonly deviations: number;
  /** Share of rows whose most likely token is the same. */
  readonly agreement: number;
}

export function distance(a: Float32Array, b: Float32Array, vocab: number): Distance {
  if (a.length !== b.length || a.length === 0 || a.length % vocab) {
    throw new Error(
      `cannot compare ${a.length} and ${b.length} logits of a vocabulary of ${vocab}`,
    );
  }
  const rows = a.length / vocab;
  let kl = 0;
  let worst = 0;
  let same = 0;
  for (let row = 0; row < rows; row++) {
    const p = a.subarray(row * vocab, (row + 1) * vocab);
    const q = b.subarray(row * vocab, (row + 1) * vocab);
    const logP = logSoftmax(p);
    const logQ = logSoftmax(q);
    const mean = p.reduce((sum, value) => sum + value, 0) / vocab;
    const std = Math.sqrt(p.reduce((sum, value) => sum + (value - mean) ** 2, 0) / vocab);
    for (let i = 0; i < vocab; i++) {
      kl += Math.exp(logP[i] as number) * ((logP[i] as number) - (logQ[i] as number));
      worst = Math.max(worst, Math.abs((p[i] as number) - (q[i] as number)) / std);
    }
    if (argMax(p) === argMax(q)) same++;
  }
  return { kl: kl / rows, deviations: worst, agreement: same / rows };
}

export function logSoftmax(values: Float32Array): Float64Array {
  const max = values.reduce((a, b) => Math.max(a, b), -Infinity);
  let sum = 0;
  for (const value of values) sum += Math.exp(value - max);
  const log = max + Math.log(sum);
  return Float64Array.from(values, (value) => value - log);
}

export function argMax(values: Float32Array): number {
  let best = 0;
  for (let i = 1; i < values.length; i++) {
    if ((values[i] as number) > (values[best] as number)) best = i;
  }
  return best;
}
