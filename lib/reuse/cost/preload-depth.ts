import { InvalidArgumentError } from '../../errors.js';

export interface PreloadTimes {
  /** Layers of the model. */
  readonly layers: number;
  /** Milliseconds that computing one layer takes. */
  readonly computeMs: number;
  /** Milliseconds that loading one layer takes. */
  readonly loadMs: number;
}

/**
 * How many layers to have loaded before the first is computed, so that no later layer has to be waited for
 * while computing and loading go on side by side. Cache-Craft's rule (arXiv 2502.15734):
 * `depth >= (layers - 1) * (1 - computeMs / loadMs) + 1`, at least one layer and at most all. With 28 layers,
 * 70 ms of computing and 500 ms of loading a layer it is 24.2, so 25.
 *
 * @throws InvalidArgumentError for anything but a whole number of layers and times of at least 0.
 */
export function preloadDepth({ layers, computeMs, loadMs }: PreloadTimes): number {
  if (!Number.isSafeInteger(layers) || layers < 1) {
    throw new InvalidArgumentError(`layers is ${layers}; give a whole number of at least 1.`);
  }
  for (const [name, ms] of Object.entries({ computeMs, loadMs })) {
    if (ms >= 0 && ms < Infinity) continue;
    throw new InvalidArgumentError(`${name} is ${ms}; give a number of at least 0.`);
  }
  if (loadMs <= computeMs) return 1;
  const depth = (layers - 1) * (1 - computeMs / loadMs) + 1;
  // Rounding of the sum must not cost a layer.
  return Math.min(layers, Math.ceil(depth - 1e-9));
}
