import { InvalidArgumentError } from '../errors.js';

/** Rows of logits: `[rows][vocabSize]`. */
export interface LogitRows {
  readonly values: Float32Array;
  readonly vocabSize: number;
}

/** How far next-token distributions are from those of a reference, one value for each row. */
export interface RowComparison {
  /** Kullback-Leibler divergence of the reference's distribution from the other's, in nats; at least 0. */
  readonly kl: Float64Array;
  /** 1 where both hold the same token for the likeliest, else 0. */
  readonly agrees: Uint8Array;
}

/** @throws InvalidArgumentError when the shapes differ */
export function compareRows(reference: LogitRows, other: LogitRows): RowComparison {
  const { vocabSize } = reference;
  const rows = rowsOf(reference);
  if (other.vocabSize !== vocabSize || rowsOf(other) !== rows) {
    throw new InvalidArgumentError(
      `compareRows: ${rows} rows of ${vocabSize} cannot be compared with ${rowsOf(other)} of ${other.vocabSize}.`,
    );
  }
  const kl = new Float64Array(rows);
  const agrees = new Uint8Array(rows);
  for (let row = 0; row < rows; row++) {
    const p = reference.values.subarray(row * vocabSize, (row + 1) * vocabSize);
    const q = other.values.subarray(row * vocabSize, (row + 1) * vocabSize);
    kl[row] = divergence(p, q);
    agrees[row] = argMax(p) === argMax(q) ? 1 : 0;
  }
  return { kl, agrees };
}

/** Negative log-likelihood of one token for each row, in nats. @throws InvalidArgumentError */
export function tokenLosses({ values, vocabSize }: LogitRows, tokens: Int32Array): Float64Array {
  const rows = rowsOf({ values, vocabSize });
  if (tokens.length !== rows) {
    throw new InvalidArgumentError(`tokenLosses: ${tokens.length} tokens for ${rows} rows.`);
  }
  return Float64Array.from(tokens, (token, row) => {
    if (!(token >= 0 && token < vocabSize)) {
      throw new InvalidArgumentError(`tokenLosses: token ${token} of ${vocabSize}.`);
    }
    const logits = values.subarray(row * vocabSize, (row + 1) * vocabSize);
    return logSumExp(logits) - (logits[token] as number);
  });
}

function rowsOf({ values, vocabSize }: LogitRows): number {
  const rows = values.length / vocabSize;
  if (Number.isSafeInteger(rows) && vocabSize > 0) return rows;
  throw new InvalidArgumentError(`${values.length} logits are no rows of ${vocabSize}.`);
}

function divergence(p: Float32Array, q: Float32Array): number {
  const logP = logSumExp(p);
  const logQ = logSumExp(q);
  let sum = 0;
  for (let i = 0; i < p.length; i++) {
    const log = (p[i] as number) - logP;
    const weight = Math.exp(log);
    // What is never said cannot be said otherwise.
    if (weight > 0) sum += weight * (log - ((q[i] as number) - logQ));
  }
  // Rounding may take equal distributions just below.
  return Math.max(0, sum);
}

function logSumExp(logits: Float32Array): number {
  let most = -Infinity;
  for (let i = 0; i < logits.length; i++) most = Math.max(most, logits[i] as number);
  let sum = 0;
  for (let i = 0; i < logits.length; i++) sum += Math.exp((logits[i] as number) - most);
  return most + Math.log(sum);
}

function argMax(logits: Float32Array): number {
  let best = 0;
  for (let i = 1; i < logits.length; i++) {
    if ((logits[i] as number) > (logits[best] as number)) best = i;
  }
  return best;
}
