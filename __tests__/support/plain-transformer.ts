import { readFileSync } from 'node:fs';
import { describeArchitecture } from '../../adapters/ggml/architectures.js';
import { type GgufHeader, readGguf } from '../../adapters/ggml/gguf.js';
import type { Hyperparameters } from '../../adapters/ggml/hyperparameters.js';

/** A cell of the plain model: keys before rotation and values, layer by layer. */
export interface PlainCell {
  readonly token: number;
  readonly position: number;
  readonly keys: Float64Array[];
  readonly values: Float64Array[];
}

/**
 * A llama-type model in float64 and nothing but loops: an independent reading of what the engine should do
 * with rows at any positions. Only float weights, plain RoPE, no biases.
 */
export class PlainTransformer {
  readonly hp: Hyperparameters;
  readonly #weights: Map<string, Float32Array>;

  static async open(path: string): Promise<PlainTransformer> {
    const header = await readGguf(path);
    return new PlainTransformer(header, readFileSync(path));
  }

  private constructor(header: GgufHeader, file: Buffer) {
    this.hp = describeArchitecture(header).hyperparameters;
    this.#weights = new Map(
      [...header.tensors.values()].map(({ name, shape, offset }) => {
        const length = shape.reduce((a, b) => a * b, 1);
        return [
          name,
          new Float32Array(
            file.buffer.slice(file.byteOffset + offset, file.byteOffset + offset + length * 4),
          ),
        ];
      }),
    );
  }

  /** Computes rows in place, all of them seeing each other and `context` by position. Logits of the last. */
  run(rows: readonly PlainCell[], context: readonly PlainCell[]): Float64Array {
    const { hp } = this;
    const all = [...context, ...rows];
    let x: Float64Array[] = rows.map((row) => {
      const start = row.token * hp.width;
      return Float64Array.from(this.#weight('token_embd.weight').subarray(start, start + hp.width));
    });
    for (let layer = 0; layer < hp.layers; layer++) {
      const w = (name: string): Float32Array => this.#weight(`blk.${layer}.${name}.weight`);
      const normed = x.map((row) => this.#norm(row, w('attn_norm')));
      const queries = normed.map((row) => multiply(w('attn_q'), row));
      rows.forEach((row, i) => {
        row.keys[layer] = multiply(w('attn_k'), normed[i] as Float64Array);
        row.values[layer] = multiply(w('attn_v'), normed[i] as Float64Array);
      });
      x = rows.map((row, i) => {
        const seen = all.filter((cell) => cell.position <= row.position);
        const attended = this.#attend(queries[i] as Float64Array, row.position, seen, layer);
        const middle = add(x[i] as Float64Array, multiply(w('attn_output'), attended));
        const fed = this.#norm(middle, w('ffn_norm'));
        const gate = multiply(w('ffn_gate'), fed);
        const up = multiply(w('ffn_up'), fed);
        const gated = up.map((value, j) => {
          const g = gate[j] as number;
          return (value * g) / (1 + Math.exp(-g));
        });
        return add(middle, multiply(w('ffn_down'), gated));
      });
    }
    const last = this.#norm(x.at(-1) as Float64Array, this.#weight('output_norm.weight'));
    return multiply(this.#weights.get('output.weight') ?? this.#weight('token_embd.weight'), last);
  }

  #attend(
    query: Float64Array,
    position: number,
    seen: readonly PlainCell[],
    layer: number,
  ): Float64Array {
    const { heads, kvHeads, headDim } = this.hp;
    const out = new Float64Array(heads * headDim);
    for (let head = 0; head < heads; head++) {
      const shared = Math.floor(head / (heads / kvHeads)) * headDim;
      const q = this.#rotate(query.subarray(head * headDim, (head + 1) * headDim), position);
      const scores = seen.map((cell) => {
        const k = this.#rotate(
          (cell.keys[layer] as Float64Array).subarray(shared, shared + headDim),
          cell.position,
        );
        return q.reduce((sum, value, i) => sum + value * (k[i] as number), 0) / Math.sqrt(headDim);
      });
      const max = Math.max(...scores);
      const weights = scores.map((score) => Math.exp(score - max));
      const total = weights.reduce((a, b) => a + b, 0);
      seen.forEach((cell, j) => {
        const share = (weights[j] as number) / total;
        for (let i = 0; i < headDim; i++) {
          out[head * headDim + i] =
            (out[head * headDim + i] as number) +
            share * ((cell.values[layer] as Float64Array)[shared + i] as number);
        }
      });
    }
    return out;
  }

  /** Rotates consecutive pairs (Su et al. 2021, eq. 15). */
  #rotate(head: Float64Array, position: number): Float64Array {
    const { headDim, rope } = this.hp;
    const out = new Float64Array(headDim);
    for (let i = 0; i < headDim; i += 2) {
      const angle = position * rope.full.base ** (-i / headDim);
      const [a, b] = [head[i] as number, head[i + 1] as number];
      out[i] = a * Math.cos(angle) - b * Math.sin(angle);
      out[i + 1] = a * Math.sin(angle) + b * Math.cos(angle);
    }
    return out;
  }

  #norm(x: Float64Array, weight: Float32Array): Float64Array {
    const mean = x.reduce((sum, value) => sum + value * value, 0) / x.length;
    const scale = 1 / Math.sqrt(mean + this.hp.normEps);
    return x.map((value, i) => value * scale * (weight[i] as number));
  }

  #weight(name: string): Float32Array {
    const found = this.#weights.get(name);
    if (!found) throw new Error(`no tensor ${name}`);
    return found;
  }
}

/** Rows for tokens at rising positions. */
export function plainCells(tokens: ArrayLike<number>, start: number): PlainCell[] {
  return Array.from(tokens, (token, i) => ({ token, position: start + i, keys: [], values: [] }));
}

/** The same keys and values at another place. */
export function movedCells(cells: readonly PlainCell[], start: number): PlainCell[] {
  return cells.map((cell, i) => ({
    ...cell,
    position: start + i,
    keys: [...cell.keys],
    values: [...cell.values],
  }));
}

function multiply(matrix: Float32Array, x: Float64Array): Float64Array {
  const out = new Float64Array(matrix.length / x.length);
  for (let row = 0; row < out.length; row++) {
    let sum = 0;
    const at = row * x.length;
    for (let i = 0; i < x.length; i++) sum += (matrix[at + i] as number) * (x[i] as number);
    out[row] = sum;
  }
  return out;
}

function add(a: Float64Array, b: Float64Array): Float64Array {
  return a.map((value, i) => value + (b[i] as number));
}
