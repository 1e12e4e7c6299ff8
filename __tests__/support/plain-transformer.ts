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
  readonly queryNorm: Float32Array | undefined;
  readonly keyNorm: Float32Array | undefined;
  readonly attentionPostNorm: Float32Array | undefined;
  readonly feedForwardPostNorm: Float32Array | undefined;
  readonly feedForwardNorm: Float32Array;
  readonly gate: Float32Array;
  readonly up: Float32Array;
  readonly down: Float32Array;
}

/**
 * A llama, qwen3 or gemma3 model in float64 and nothing but loops: an independent reading of what the engine
 * should do with rows at any positions. Keys and values are rounded as cells hold them. Only float weights,
 * plain RoPE, no biases, no soft cap.
 */
export class PlainTransformer {
  readonly hp: Hyperparameters;
  readonly #isLlama: boolean;
  readonly #isGemma: boolean;
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
    const name = header.values.get('general.architecture');
    this.#isLlama = name === 'llama';
    this.#isGemma = name === 'gemma3';
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
      queryNorm: find(`blk.${layer}.attn_q_norm.weight`),
      keyNorm: find(`blk.${layer}.attn_k_norm.weight`),
      attentionPostNorm: find(`blk.${layer}.post_attention_norm.weight`),
      feedForwardPostNorm: find(`blk.${layer}.post_ffw_norm.weight`),
      feedForwardNorm: weight(`blk.${layer}.ffn_norm`),
      gate: weight(`blk.${layer}.ffn_gate`),
      up: weight(`blk.${layer}.ffn_up`),
      down: weight(`blk.${layer}.ffn_down`),
    }));
  }

  row(cell: PlainCell, world: readonly PlainCell[]): PlainRow {
    const at = cell.token * this.hp.width;
    const scale = this.#isGemma ? Math.sqrt(this.hp.width) : 1;
    const row = this.#embedding.subarray(at, at + this.hp.width);
    return { cell, world, x: Float64Array.from(row, (value) => value * scale) };
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
        const key = this.#normHeads(multiply(w.key, normed[i] as Float64Array), w.keyNorm);
        cell.keys[layer] = this.#rotate(key, cell.position, layer).map(roundToHalf);
        cell.values[layer] = multiply(w.value, normed[i] as Float64Array).map(roundToHalf);
      });
      rows.forEach((row, i) => {
        const asked = this.#normHeads(multiply(w.query, normed[i] as Float64Array), w.queryNorm);
        const query = this.#rotate(asked, row.cell.position, layer);
        const attended = this.#attend(
          query,
          row,
          layer,
          onAttention && ((cell, weight) => onAttention(layer, i, cell, weight)),
        );
        add(row.x, this.#normed(multiply(w.output, attended), w.attentionPostNorm));
        const fed = this.#norm(row.x, w.feedForwardNorm);
        const gate = multiply(w.gate, fed);
        const gated = multiply(w.up, fed).map((value, j) => {
          const g = gate[j] as number;
          return value * (this.#isGemma ? gelu(g) : g / (1 + Math.exp(-g)));
        });
        add(row.x, this.#normed(multiply(w.down, gated), w.feedForwardPostNorm));
      });
    }
  }

  logits(row: PlainRow): Float32Array {
    return Float32Array.from(multiply(this.#output, this.#norm(row.x, this.#outputNorm)));
  }

  /** Rotates pairs of each head (Su et al. 2021, eq. 15): consecutive ones, or halves as in GPT-NeoX. */
  #rotate(heads: Float64Array, position: number, layer: number): Float64Array {
    const { headDim, rope, slidingLayers } = this.hp;
    const { base } = slidingLayers[layer] ? rope.sliding : rope.full;
    const half = headDim / 2;
    const out = new Float64Array(heads.length);
    for (let head = 0; head < heads.length; head += headDim) {
      for (let pair = 0; pair < half; pair++) {
        const angle = position * base ** (-pair / half);
        const first = head + (this.#isLlama ? 2 * pair : pair);
        const second = first + (this.#isLlama ? 1 : half);
        const [a, b] = [heads[first] as number, heads[second] as number];
        out[first] = a * Math.cos(angle) - b * Math.sin(angle);
        out[second] = a * Math.sin(angle) + b * Math.cos(angle);
      }
    }
    return out;
  }

  /** A cell at another position: its keys turned by the difference, and rounded as the arena rounds them. */
  moved(cell: PlainCell, position: number): PlainCell {
    const by = position - cell.position;
    const keys = cell.keys.map((key, layer) => this.#rotate(key, by, layer).map(roundToHalf));
    return { token: cell.token, position, keys, values: [...cell.values] };
  }

  #attend(
    query: Float64Array,
    row: PlainRow,
    layer: number,
    onWeight: ((cell: PlainCell, weight: number) => void) | undefined,
  ): Float64Array {
    const { heads, kvHeads, headDim } = this.hp;
    const { window, slidingLayers } = this.hp;
    const reach = slidingLayers[layer] ? window : Infinity;
    const seen = row.world.filter(({ position }) => {
      const distance = row.cell.position - position;
      return distance >= 0 && distance < reach;
    });
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

  #normHeads(heads: Float64Array, weight: Float32Array | undefined): Float64Array {
    if (!weight) return heads;
    const { headDim } = this.hp;
    const out = new Float64Array(heads.length);
    for (let at = 0; at < heads.length; at += headDim) {
      out.set(this.#norm(heads.subarray(at, at + headDim), weight), at);
    }
    return out;
  }

  /** Normed where the model does so after a block. */
  #normed(x: Float64Array, weight: Float32Array | undefined): Float64Array {
    return weight ? this.#norm(x, weight) : x;
  }

  #norm(x: Float64Array, weight: Float32Array): Float64Array {
    const mean = x.reduce((sum, value) => sum + value * value, 0) / x.length;
    const scale = 1 / Math.sqrt(mean + this.hp.normEps);
    return x.map((value, i) => value * scale * (weight[i] as number));
  }
}

/** The approximation by tanh (Hendrycks and Gimpel 2016), which ggml looks up by halves. */
function gelu(x: number): number {
  if (Math.abs(x) >= 10) return Math.max(0, x);
  const h = roundToHalf(x);
  return roundToHalf(0.5 * h * (1 + Math.tanh(Math.sqrt(2 / Math.PI) * (h + 0.044715 * h ** 3))));
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
