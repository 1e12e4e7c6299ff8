// Jest looks globals up slowly, each time anew.
const { abs, exp, log, max, sqrt } = Math;

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
    let sum = 0;
    let squares = 0;
    let most = 0;
    for (let i = 0; i < vocab; i++) {
      const x = p[i] as number;
      sum += x;
      squares += x * x;
      most = max(most, abs(x - (q[i] as number)));
      kl += exp(logP[i] as number) * ((logP[i] as number) - (logQ[i] as number));
    }
    worst = max(worst, most / sqrt(squares / vocab - (sum / vocab) ** 2));
    if (argMax(p) === argMax(q)) same++;
  }
  return { kl: kl / rows, deviations: worst, agreement: same / rows };
}

export function logSoftmax(values: Float32Array): Float64Array {
  let top = -Infinity;
  for (let i = 0; i < values.length; i++) top = max(top, values[i] as number);
  let sum = 0;
  for (let i = 0; i < values.length; i++) sum += exp((values[i] as number) - top);
  const shift = top + log(sum);
  const result = new Float64Array(values.length);
  for (let i = 0; i < values.length; i++) result[i] = (values[i] as number) - shift;
  return result;
}

export function argMax(values: Float32Array): number {
  let best = 0;
  for (let i = 1; i < values.length; i++) {
    if ((values[i] as number) > (values[best] as number)) best = i;
  }
  return best;
}
