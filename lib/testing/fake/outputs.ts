import type {
  AttentionRequest,
  ChangeRequest,
  ChangeResult,
  DeviationResult,
  GroupAttention,
  HiddenRequest,
  HiddenResult,
  LayerOutputs,
  LayerResult,
} from '../../engine/forward.js';
import type { Span } from '../../engine/span.js';
import { InvalidArgumentError } from '../../errors.js';
import type { Row } from './row-plan.js';
import { checkDistinct, checkLayers, checkSpan } from './validate.js';

/** What the collectors need to know of the run. */
export interface OutputContext {
  /** All rows of the batch, and the numbers of those that are computed. */
  readonly rows: readonly Row[];
  readonly live: readonly number[];
  readonly groups: readonly { readonly append: boolean; readonly entries: number }[];
  readonly width: number;
  readonly keyWidth: number;
  readonly valueWidth: number;
  readonly probeLayers: readonly number[];
  /** Layers that will be computed. */
  readonly from: number;
  readonly to: number;
}

/** Gathers what a run through layers was asked for. Checks the requests when it is made. */
export class OutputCollector {
  readonly #asks: readonly AttentionCollector[] | undefined;
  readonly #deviation: DeviationCollector | undefined;
  readonly #hidden: HiddenCollector | undefined;
  readonly #change: ChangeCollector | undefined;

  constructor(outputs: LayerOutputs, context: OutputContext) {
    const { attention, deviation, hidden, change } = outputs;
    if (attention) this.#asks = attentionCollectors(attention, context);
    if (deviation) this.#deviation = new DeviationCollector(deviation, context);
    if (hidden) this.#hidden = new HiddenCollector(hidden, context);
    if (change) this.#change = new ChangeCollector(change, context);
  }

  /** Attention of one head of one row over its sequence's entries. */
  addWeights(layer: number, row: number, weights: Float64Array): void {
    for (const ask of this.#asks ?? []) ask.add(layer, row, weights);
  }

  addDeviation(layer: number, row: number, keys: number, values: number): void {
    this.#deviation?.add(layer, row, keys, values);
  }

  /** What a refreshed row's cell held, and what takes its place. */
  addChange(layer: number, row: number, change: KvChange): void {
    this.#change?.add(layer, row, change);
  }

  addHidden(layer: number, row: number, x: Float64Array): void {
    this.#hidden?.add(layer, row, x);
  }

  result(): LayerResult {
    return {
      ...(this.#asks && { attention: this.#asks.map((ask) => ask.result()) }),
      ...(this.#deviation && { deviation: this.#deviation.result() }),
      ...(this.#hidden && { hidden: this.#hidden.result() }),
      ...(this.#change && { change: this.#change.result() }),
    };
  }
}

function attentionCollectors(
  request: AttentionRequest,
  context: OutputContext,
): AttentionCollector[] {
  const layers =
    request.layers ??
    context.probeLayers.filter((layer) => layer >= context.from && layer < context.to);
  checkLayers(layers, context.from, context.to);
  if (layers.length === 0) throw new InvalidArgumentError('Attention is asked for of no layer.');
  const asking =
    request.groups ?? context.groups.flatMap(({ append }, group) => (append ? [group] : []));
  checkDistinct(Int32Array.from(asking), context.groups.length, 'group');
  return asking.map((group) => new AttentionCollector(group, layers, request, context));
}

class AttentionCollector {
  readonly #group: number;
  readonly #layers: readonly number[];
  readonly #perLayer: boolean;
  readonly #spans: readonly Span[] | undefined;
  readonly #entries: number;
  /** Row number to its place in the group. */
  readonly #places = new Map<number, number>();
  readonly #byEntry: Float64Array;
  readonly #bySpan: Float64Array;

  constructor(
    group: number,
    layers: readonly number[],
    request: AttentionRequest,
    context: OutputContext,
  ) {
    this.#group = group;
    this.#layers = layers;
    this.#perLayer = request.perLayer ?? false;
    this.#entries = context.groups[group]?.entries ?? 0;
    this.#spans = request.spans?.map((span) => checkSpan(span, this.#entries));
    context.rows.forEach((row, number) => {
      if (row.group === group) this.#places.set(number, this.#places.size);
    });
    const parts = this.#perLayer ? layers.length : 1;
    this.#byEntry = new Float64Array(parts * this.#entries);
    this.#bySpan = new Float64Array(parts * this.#places.size * (this.#spans?.length ?? 0));
  }

  add(layer: number, row: number, weights: Float64Array): void {
    const place = this.#places.get(row);
    const at = this.#layers.indexOf(layer);
    if (place === undefined || at < 0) return;
    const part = this.#perLayer ? at : 0;
    for (let entry = 0; entry < this.#entries; entry++) {
      this.#byEntry[part * this.#entries + entry]! += weights[entry] as number;
    }
    this.#spans?.forEach(({ start, end }, span) => {
      let mass = 0;
      for (let entry = start; entry < end; entry++) mass += weights[entry] as number;
      const spans = this.#spans?.length ?? 0;
      this.#bySpan[(part * this.#places.size + place) * spans + span]! += mass;
    });
  }

  result(): GroupAttention {
    return {
      group: this.#group,
      layers: [...this.#layers],
      byEntry: Float32Array.from(this.#byEntry),
      ...(this.#spans && { bySpan: Float32Array.from(this.#bySpan) }),
    };
  }
}

class DeviationCollector {
  readonly #layers: readonly number[];
  readonly #live: readonly number[];
  readonly #keys: Float32Array;
  readonly #values: Float32Array;

  constructor(layers: readonly number[], context: OutputContext) {
    checkLayers(layers, context.from, context.to);
    this.#layers = layers;
    this.#live = context.live;
    this.#keys = new Float32Array(layers.length * this.#live.length).fill(NaN);
    this.#values = this.#keys.slice();
  }

  add(layer: number, row: number, keys: number, values: number): void {
    const at = this.#layers.indexOf(layer);
    if (at < 0) return;
    const place = at * this.#live.length + this.#live.indexOf(row);
    this.#keys[place] = keys;
    this.#values[place] = values;
  }

  result(): DeviationResult {
    return { layers: [...this.#layers], keys: this.#keys, values: this.#values };
  }
}

/** Fresh and held keys (un-rotated) and values. */
export interface KvChange {
  readonly keys: readonly [fresh: ArrayLike<number>, held: ArrayLike<number>];
  readonly values: readonly [fresh: ArrayLike<number>, held: ArrayLike<number>];
}

class ChangeCollector {
  readonly #context: OutputContext;
  /** Row number to its span. */
  readonly #spanOf = new Map<number, number>();
  readonly #counts: Int32Array;
  readonly #keys: Float64Array;
  readonly #values: Float64Array;

  constructor(request: ChangeRequest, context: OutputContext) {
    this.#context = context;
    const group = context.groups[request.group];
    if (!group || group.append) {
      throw new InvalidArgumentError(`Group ${request.group} is not computed again.`);
    }
    let last = 0;
    for (const span of request.spans) {
      checkSpan(span, group.entries);
      if (span.start < last) throw new InvalidArgumentError('Spans must be in order, and apart.');
      last = span.end;
    }
    this.#counts = new Int32Array(request.spans.length);
    for (const number of context.live) {
      const row = context.rows[number] as Row;
      if (row.group !== request.group) continue;
      const span = request.spans.findIndex(
        ({ start, end }) => row.entry >= start && row.entry < end,
      );
      if (span < 0) continue;
      this.#spanOf.set(number, span);
      this.#counts[span]!++;
    }
    const size = (context.to - context.from) * request.spans.length;
    this.#keys = new Float64Array(size * context.keyWidth);
    this.#values = new Float64Array(size * context.valueWidth);
  }

  add(layer: number, row: number, { keys, values }: KvChange): void {
    const span = this.#spanOf.get(row);
    if (span === undefined) return;
    const place = (layer - this.#context.from) * this.#counts.length + span;
    const sum = (target: Float64Array, [fresh, held]: KvChange['keys']): void => {
      for (let i = 0; i < fresh.length; i++) {
        const change = (fresh[i] as number) - (held[i] as number);
        target[place * fresh.length + i]! += change / (this.#counts[span] as number);
      }
    };
    sum(this.#keys, keys);
    sum(this.#values, values);
  }

  result(): ChangeResult {
    const { from, to } = this.#context;
    return {
      layers: { from, to },
      rows: this.#counts,
      keys: Float32Array.from(this.#keys),
      values: Float32Array.from(this.#values),
    };
  }
}

class HiddenCollector {
  readonly #layers: readonly number[];
  readonly #width: number;
  /** For each row number, the places its values go to and their weights. */
  readonly #targets: ReadonlyMap<number, readonly { place: number; weight: number }[]>;
  readonly #places: number;
  readonly #sums: Float64Array;

  constructor(request: HiddenRequest, context: OutputContext) {
    checkLayers(request.layers, context.from, context.to);
    this.#layers = request.layers;
    this.#width = context.width;
    const { live, rows } = context;
    const targets = new Map<number, { place: number; weight: number }[]>();
    live.forEach((row, place) => targets.set(row, request.pool ? [] : [{ place, weight: 1 }]));
    request.pool?.forEach((span, place) => {
      const { start, end } = checkSpan(span, rows.length, 'rows');
      const inside = live.filter((row) => row >= start && row < end);
      if (inside.length === 0 || inside.length < end - start) {
        throw new InvalidArgumentError(`Not all rows of [${start}, ${end}) are computed.`);
      }
      for (const row of inside) targets.get(row)?.push({ place, weight: 1 / inside.length });
    });
    this.#targets = targets;
    this.#places = request.pool?.length ?? live.length;
    this.#sums = new Float64Array(this.#layers.length * this.#places * this.#width);
  }

  add(layer: number, row: number, x: Float64Array): void {
    const at = this.#layers.indexOf(layer);
    if (at < 0) return;
    for (const { place, weight } of this.#targets.get(row) ?? []) {
      const offset = (at * this.#places + place) * this.#width;
      for (let i = 0; i < x.length; i++) this.#sums[offset + i]! += weight * (x[i] as number);
    }
  }

  result(): HiddenResult {
    return { layers: [...this.#layers], values: Float32Array.from(this.#sums) };
  }
}
