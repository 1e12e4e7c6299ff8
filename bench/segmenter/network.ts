import { seededInteger, seededNormals, seededRandom } from '../../lib/random.js';
import type { SegmenterWeights } from '../../lib/chunkers/segmenter/weights.js';

/** Two neighbouring sentences, and whether they stand in one paragraph. */
export interface Pair {
  /** Vectors of length 1. */
  readonly first: Float32Array;
  readonly second: Float32Array;
  /** 1 for the same paragraph, 0 for two. */
  readonly together: 0 | 1;
}

/** A network with one hidden layer; all its parameters in one row: `[hidden][4 d]`, biases, output weights, output bias. */
export interface Network {
  readonly dimensions: number;
  readonly hidden: number;
  readonly parameters: Float64Array;
}

export function newNetwork(dimensions: number, hidden: number, seed: number): Network {
  const random = seededRandom(seed);
  const inputs = 4 * dimensions;
  const parameters = new Float64Array(hidden * (inputs + 2) + 1);
  parameters.set(seededNormals(random, hidden * inputs, Math.sqrt(2 / inputs)), 0);
  parameters.set(seededNormals(random, hidden, Math.sqrt(2 / hidden)), hidden * (inputs + 1));
  return { dimensions, hidden, parameters };
}

/** `x1, x2, x1 - x2, x1 * x2`, of vectors scaled so that their numbers are about 1. */
function featuresOf({ first, second }: Pair, features: Float64Array): void {
  const d = first.length;
  const scale = Math.sqrt(d);
  for (let k = 0; k < d; k++) {
    const a = (first[k] as number) * scale;
    const b = (second[k] as number) * scale;
    features[k] = a;
    features[d + k] = b;
    features[2 * d + k] = a - b;
    features[3 * d + k] = a * b;
  }
}

/** Adds the gradient of the squared error of one pair to `gradient`; returns what the network says of it. */
export function addGradient(
  { dimensions, hidden, parameters }: Network,
  pair: Pair,
  gradient: Float64Array | undefined,
  /** Of each hidden unit, 0 where it is left out. Default 1. */
  kept?: Float64Array,
): number {
  const inputs = 4 * dimensions;
  const features = new Float64Array(inputs);
  featuresOf(pair, features);
  const biases = hidden * inputs;
  const outputs = biases + hidden;
  const active = new Float64Array(hidden);
  let sum = parameters[outputs + hidden] as number;
  for (let unit = 0; unit < hidden; unit++) {
    let value = parameters[biases + unit] as number;
    const row = unit * inputs;
    for (let k = 0; k < inputs; k++) {
      value += (parameters[row + k] as number) * (features[k] as number);
    }
    active[unit] = value > 0 ? value * (kept ? (kept[unit] as number) : 1) : 0;
    sum += (active[unit] as number) * (parameters[outputs + unit] as number);
  }
  const said = 1 / (1 + Math.exp(-sum));
  if (!gradient) return said;
  const error = 2 * (said - pair.together) * said * (1 - said);
  gradient[outputs + hidden] = (gradient[outputs + hidden] as number) + error;
  for (let unit = 0; unit < hidden; unit++) {
    if (active[unit] === 0) continue;
    const at = outputs + unit;
    gradient[at] = (gradient[at] as number) + error * (active[unit] as number);
    const inner = error * (parameters[at] as number) * (kept ? (kept[unit] as number) : 1);
    gradient[biases + unit] = (gradient[biases + unit] as number) + inner;
    const row = unit * inputs;
    for (let k = 0; k < inputs; k++) {
      gradient[row + k] = (gradient[row + k] as number) + inner * (features[k] as number);
    }
  }
  return said;
}

export interface TrainingOptions {
  readonly epochs: number;
  readonly seed: number;
  readonly batch?: number;
  readonly rate?: number;
  /** Share of the hidden units that are left out of each step. */
  readonly dropout?: number;
  /** Pulls weights to 0 (decoupled, Loshchilov and Hutter, arXiv 1711.05101). */
  readonly decay?: number;
  readonly onEpoch?: (epoch: number, loss: number) => void;
}

/** Mean squared error by Adam (Kingma and Ba, arXiv 1412.6980), in place. Same seed, same parameters. */
export function trainNetwork(
  network: Network,
  pairs: readonly Pair[],
  { epochs, seed, batch = 32, rate = 1e-3, dropout = 0, decay = 0, onEpoch }: TrainingOptions,
): void {
  const { parameters, hidden } = network;
  const random = seededRandom(seed);
  const means = new Float64Array(parameters.length);
  const squares = new Float64Array(parameters.length);
  const gradient = new Float64Array(parameters.length);
  const kept = new Float64Array(hidden);
  const order = pairs.map((_, i) => i);
  let step = 0;
  for (let epoch = 0; epoch < epochs; epoch++) {
    for (let i = order.length - 1; i > 0; i--) {
      const j = seededInteger(random, i + 1);
      [order[i], order[j]] = [order[j] as number, order[i] as number];
    }
    let loss = 0;
    for (let from = 0; from < order.length; from += batch) {
      const drawn = order.slice(from, from + batch);
      gradient.fill(0);
      for (let unit = 0; unit < hidden; unit++) {
        kept[unit] = random() < dropout ? 0 : 1 / (1 - dropout);
      }
      for (const i of drawn) {
        const pair = pairs[i] as Pair;
        loss += (addGradient(network, pair, gradient, kept) - pair.together) ** 2;
      }
      step++;
      const rateNow = (rate * Math.sqrt(1 - 0.999 ** step)) / (1 - 0.9 ** step);
      for (let k = 0; k < parameters.length; k++) {
        const slope = (gradient[k] as number) / drawn.length;
        const mean = 0.9 * (means[k] as number) + 0.1 * slope;
        const square = 0.999 * (squares[k] as number) + 0.001 * slope * slope;
        means[k] = mean;
        squares[k] = square;
        const moved = (rateNow * mean) / (Math.sqrt(square) + 1e-8);
        parameters[k] = (parameters[k] as number) * (1 - rate * decay) - moved;
      }
    }
    onEpoch?.(epoch, loss / order.length);
  }
}

/** The network in the form that the chunker loads: in bytes, the weights of the difference added to those of the vectors. */
export function weightsOf(network: Network, embedder: string): SegmenterWeights {
  const { dimensions: d, hidden, parameters } = network;
  const inputs = 4 * d;
  const bytes = new Int8Array(hidden * 3 * d);
  const scales: number[] = [];
  for (let unit = 0; unit < hidden; unit++) {
    const part = (which: number): Float64Array =>
      parameters.subarray(unit * inputs + which * d, unit * inputs + (which + 1) * d);
    const [first, second, difference, product] = [part(0), part(1), part(2), part(3)];
    const rows = [
      first.map((value, k) => (value + (difference[k] as number)) * Math.sqrt(d)),
      second.map((value, k) => (value - (difference[k] as number)) * Math.sqrt(d)),
      product.map((value) => value * d),
    ];
    for (const [which, row] of rows.entries()) {
      const scale = rounded(
        row.reduce((max, value) => Math.max(max, Math.abs(value)), 0) / 127 || 1,
      );
      scales.push(scale);
      for (let k = 0; k < d; k++) {
        const byte = Math.round((row[k] as number) / scale);
        bytes[(unit * 3 + which) * d + k] = Math.max(-127, Math.min(127, byte));
      }
    }
  }
  const biases = hidden * inputs;
  const rest = (from: number): number[] =>
    Array.from(parameters.subarray(from, from + hidden), rounded);
  return {
    version: 1,
    embedder,
    dimensions: d,
    hidden,
    values: Buffer.from(bytes.buffer).toString('base64'),
    scales,
    bias: rest(biases),
    output: rest(biases + hidden),
    outputBias: rounded(parameters[biases + 2 * hidden] as number),
  };
}

const rounded = (value: number): number => Number(value.toPrecision(7));
