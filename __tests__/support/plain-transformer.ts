import { readFileSync } from 'node:fs';
import { describeArchitecture } from '../../adapters/ggml/architectures.js';
import { type GgufHeader, readGguf } from '../../adapters/ggml/gguf.js';
import type { Hyperparameters } from '../../adapters/ggml/hyperparameters.js';
import { roundToHalf } from '../../lib/engine/half.js';

/** A token of the plain model with its rotated keys and its values, layer by layer, in half precision. */
export interface PlainCell {
  readonly token: number;
  readonly position: number;
  readonly keys: Float64Array[];
  readonly values: Float64Array[];
}

/** A row on its way through the layers. */
export interface PlainRow {
  readonly cell: PlainCell;
  /** All cells of its sequence, its own and those of rows beside it included. */
  readonly world: readonly PlainCell[];
  readonly x: Float64Array;
}

interface PlainLayer {
  readonly attentionNorm: Float32Array;
  readonly query: Float32Array;
  readonly key: Float32Array;
  readonly value: Float32Array;
  readonly output: Float32Array;
  readonly feedForwardNorm: Float32Array;
  readonly gate: Float32Array;
  readonly up: Float32Array;
  readonly down: Float32Array;
}

/**
 * A llama-type model in float64 and nothing but loops: an independent reading of what the engine should do
 * with rows at any positions. Keys and values are rounded as cells hold them. Only float weights, plain RoPE,
 * no biases.
 */
export class PlainTransformer {
  readonly hp: Hyperparameters;
  readonly #embedding: Float32Array;
  readonly #output: Float32Array;
  readonly #outputNorm: Float32Array;
  readonly #layers: readonly PlainLayer[];

  static async open(path: string): Promise<PlainTransformer> {
    const header = await readGguf(path);
    return new PlainTransformer(header, readFileSync(path));
  }

  private constructor(header: GgufHeader, file: Buffer) {
    this.hp = describeArchitecture(header).hyperparameters;
    const find = (name: string): Float32Array | undefined => {
      const tensor = header.tensors.get(name);
      if (!tensor) return undefined;
      const at = file.byteOffset + tensor.offset;
      const length = tensor.shape.reduce((a, b) => a * b, 1);
      return new Float32Array(file.buffer.slice(at, at + length * 4));
    };
    const weight = (name: string): Float32Array => {
      const found = find(`${name}.weight`);
      if (!found) throw new Error(`no tensor ${name}.weight`);
      return found;
    };
    this.#embedding = weight('token_embd');
    this.#output = find('output.weight') ?? this.#embedding;
    this.#outputNorm = weight('output_norm');
    this.#layers = Array.from({ length: this.hp.layers }, (_, layer) => ({
      attentionNorm: weight(`blk.${layer}.attn_norm`),
      query: weight(`blk.${layer}.attn_q`),
      key: weight(`blk.${layer}.attn_k`),
      value: weight(`blk.${layer}.attn_v`),
      output: weight(`blk.${layer}.attn_output`),
      feedForwardNorm: weight(`blk.${layer}.ffn_norm`),
      gate: weight(`blk.${layer}.ffn_gate`),
      up: weight(`blk.${layer}.ffn_up`),
      down: weight(`blk.${layer}.ffn_down`),
    }));
  }

  row(cell: PlainCell, world: readonly PlainCell[]): PlainRow {
    const at = cell.token * this.hp.width;
    const x = Float64Array.from(this.#embedding.subarray(at, at + this.hp.width));
    return { cell, world, x };
  }

  /**
   * Takes rows through the layers from `from` up to `to`; their cells are written on the way. `onAttention`
   * hears every softmax weight.
   */
  advance(
    rows: readonly PlainRow[],
    from: number,
    to: number,
    onAttention?: (layer: number, row: number, cell: PlainCell, weight: number) => void,
  ): void {
    for (let layer = from; layer < to; layer++) {
      const w = this.#layers[layer] as PlainLayer;
      const normed = rows.map(({ x }) => this.#norm(x, w.attentionNorm));
      rows.forEach(({ cell }, i) => {
        const key = multiply(w.key, normed[i] as Float64Array);
        cell.keys[layer] = this.rotate(key, cell.position).map(roundToHalf);
        cell.values[layer] = multiply(w.value, normed[i] as Float64Array).map(roundToHalf);
      });
      rows.forEach((row, i) => {
        const query = this.rotate(multiply(w.query, normed[i] as Float64Array), row.cell.position);
        const attended = this.#attend(
          query,
          row,
          layer,
          onAttention && ((cell, weight) => onAttention(layer, i, cell, weight)),
        );
        add(row.x, multiply(w.output, attended));
        const fed = this.#norm(row.x, w.feedForwardNorm);
        const gate = multiply(w.gate, fed);
        const gated = multiply(w.up, fed).map((value, j) => {
          const g = gate[j] as number;
          return (value * g) / (1 + Math.exp(-g));
        });
        add(row.x, multiply(w.down, gated));
      });
    }
  }

  logits(row: PlainRow): Float32Array {
    return Float32Array.from(multiply(this.#output, this.#norm(row.x, this.#outputNorm)));
  }

  /** Rotates consecutive pairs of each head (Su et al. 2021, eq. 15). */
  rotate(heads: Float64Array, position: number): Float64Array {
    const { headDim, rope } = this.hp;
    const out = new Float64Array(heads.length);
    for (let at = 0; at < heads.length; at += 2) {
      const angle = position * rope.full.base ** (-(at % headDim) / headDim);
      const [a, b] = [heads[at] as number, heads[at + 1] as number];
      out[at] = a * Math.cos(angle) - b * Math.sin(angle);
      out[at + 1] = a * Math.sin(angle) + b * Math.cos(angle);
    }
    return out;
  }

  /** A cell at another position: its keys turned by the difference, and rounded as the arena rounds them. */
  moved(cell: PlainCell, position: number): PlainCell {
    const by = position - cell.position;
    const keys = cell.keys.map((key) => this.rotate(key, by).map(roundToHalf));
    return { token: cell.token, position, keys, values: [...cell.values] };
  }

  #attend(
    query: Float64Array,
    row: PlainRow,
    layer: number,
    onWeight: ((cell: PlainCell, weight: number) => void) | undefined,
  ): Float64Array {
    const { heads, kvHeads, headDim } = this.hp;
    const seen = row.world.filter((cell) => cell.position <= row.cell.position);
    const out = new Float64Array(heads * headDim);
    const weights = new Float64Array(seen.length);
    for (let head = 0; head < heads; head++) {
      const shared = Math.floor(head / (heads / kvHeads)) * headDim;
      const at = head * headDim;
      let max = -Infinity;
      seen.forEach((cell, j) => {
        const key = cell.keys[layer] as Float64Array;
        let score = 0;
        for (let i = 0; i < headDim; i++) {
          score += (query[at + i] as number) * (key[shared + i] as number);
        }
        weights[j] = score / Math.sqrt(headDim);
        max = Math.max(max, weights[j] as number);
      });
      let total = 0;
      for (let j = 0; j < seen.length; j++) {
        weights[j] = Math.exp((weights[j] as number) - max);
        total += weights[j] as number;
      }
      seen.forEach((cell, j) => {
        const value = cell.values[layer] as Float64Array;
        const share = (weights[j] as number) / total;
        onWeight?.(cell, share);
        for (let i = 0; i < headDim; i++) {
          out[at + i] = (out[at + i] as number) + share * (value[shared + i] as number);
        }
      });
    }
    return out;
  }

  #norm(x: Float64Array, weight: Float32Array): Float64Array {
    const mean = x.reduce((sum, value) => sum + value * value, 0) / x.length;
    const scale = 1 / Math.sqrt(mean + this.hp.normEps);
    return x.map((value, i) => value * scale * (weight[i] as number));
  }
}

/** A cell that is about to be computed. */
export function emptyCell(token: number, position: number): PlainCell {
  return { token, position, keys: [], values: [] };
}

/** The same token and what it holds, in a cell of its own. */
export function copiedCell(cell: PlainCell): PlainCell {
  return { ...cell, keys: [...cell.keys], values: [...cell.values] };
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

function add(to: Float64Array, more: Float64Array): void {
  for (let i = 0; i < to.length; i++) to[i] = (to[i] as number) + (more[i] as number);
}
