import { InvalidArgumentError } from '../../errors.js';
import type { KvCorrection } from '../../engine/arena.js';
import { layerKeys, layerValues } from '../../engine/chunk-kv.js';
import { floatsOf } from '../../engine/halves.js';
import type { RecomputePolicy } from '../policy.js';
import type { Carry, CarryView } from './carry.js';

export interface ShiftOptions {
  /** How much of the shift is added, in [0, 1]; default 1. */
  readonly strength?: number;
  /**
   * Tokens over which a refreshed token's shift fades by half: near ones get that of their neighbours. Default
   * Infinity: all get the mean.
   */
  readonly halfLife?: number;
}

/**
 * Adds to every token that was not computed again the mean shift of the keys and values of those of its passage that
 * were, layer by layer, keys un-rotated (after AgentKVShift, arXiv 2607.21604).
 */
export function shiftCarry({ strength = 1, halfLife = Infinity }: ShiftOptions = {}): Carry {
  if (!(strength >= 0 && strength <= 1)) {
    throw new InvalidArgumentError(`shiftCarry: strength is ${strength}; give 0 to 1.`);
  }
  if (!(halfLife > 0)) {
    throw new InvalidArgumentError(`shiftCarry: halfLife is ${halfLife}; give a positive number.`);
  }
  return {
    reason: `by the mean shift of those that were, times ${strength}`,
    correct: (view) =>
      strength === 0 || view.refreshed.length === 0
        ? undefined
        : correction(view, strength, halfLife),
  };
}

/** A policy, and the shift of what it computes again carried to the rest. */
export function withShift(policy: RecomputePolicy, options: ShiftOptions = {}): RecomputePolicy {
  const carry = shiftCarry(options);
  const { strength = 1, halfLife = Infinity } = options;
  const name = `${policy.name} + shift(${strength}${halfLife === Infinity ? '' : `, ${halfLife}`})`;
  return {
    name,
    plan: async (input) => ({ ...(await policy.plan(input)), policy: name, carry }),
  };
}

function correction(
  { before, after, refreshed }: CarryView,
  strength: number,
  halfLife: number,
): KvCorrection {
  const { layout, layers, tokens } = before;
  const count = layers.to - layers.from;
  const keys = new Float32Array(count * tokens.length * layout.keyWidth);
  const values = new Float32Array(count * tokens.length * layout.valueWidth);
  const weights = weightsOf(tokens.length, refreshed, halfLife);
  for (let layer = 0; layer < count; layer++) {
    const number = layers.from + layer;
    spread(keys, layer, layout.keyWidth, layerKeys(before, number), layerKeys(after, number));
    spread(
      values,
      layer,
      layout.valueWidth,
      layerValues(before, number),
      layerValues(after, number),
    );
  }
  return { layers, keys, values };

  function spread(
    target: Float32Array,
    layer: number,
    width: number,
    old: Uint8Array,
    fresh: Uint8Array,
  ): void {
    const from = floatsOf(old);
    const to = floatsOf(fresh);
    const base = layer * tokens.length * width;
    if (halfLife === Infinity) {
      const mean = new Float32Array(width);
      for (const token of refreshed)
        addRow(mean, 0, to, from, token, width, strength / refreshed.length);
      for (let token = 0; token < tokens.length; token++) {
        if (weights[token] !== undefined) target.set(mean, base + token * width);
      }
      return;
    }
    for (let token = 0; token < tokens.length; token++) {
      for (const [i, weight] of (weights[token] ?? []).entries()) {
        if (weight < 1e-4) continue;
        addRow(
          target,
          base + token * width,
          to,
          from,
          refreshed[i] as number,
          width,
          strength * weight,
        );
      }
    }
  }
}

/** For each token that was not refreshed, what each refreshed one counts; the sum is 1. */
function weightsOf(
  tokens: number,
  refreshed: Int32Array,
  halfLife: number,
): (Float64Array | undefined)[] {
  const done = new Set(refreshed);
  return Array.from({ length: tokens }, (_, token) => {
    if (done.has(token)) return undefined;
    if (halfLife === Infinity) return new Float64Array(0);
    const weights = Float64Array.from(
      refreshed,
      (other) => 2 ** (-Math.abs(other - token) / halfLife),
    );
    const sum = weights.reduce((total, weight) => total + weight, 0);
    return sum > 0 ? weights.map((weight) => weight / sum) : weights;
  });
}

function addRow(
  target: Float32Array,
  at: number,
  to: Float32Array,
  from: Float32Array,
  token: number,
  width: number,
  weight: number,
): void {
  const row = token * width;
  for (let i = 0; i < width; i++) {
    (target[at + i] as number) += weight * ((to[row + i] as number) - (from[row + i] as number));
  }
}
