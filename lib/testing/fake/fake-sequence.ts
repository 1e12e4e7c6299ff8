import type { AppendOptions, KvCorrection, KvSequence, RunOptions } from '../../engine/arena.js';
import type { Span } from '../../engine/span.js';
import type { ChunkKv, LayerRange } from '../../engine/chunk-kv.js';
import type {
  AttentionRequest,
  ForwardOutputs,
  ForwardResult,
  GroupAttention,
} from '../../engine/forward.js';
import {
  DisposedError,
  InvalidArgumentError,
  KvMismatchError,
  StaleCellError,
} from '../../errors.js';
import {
  addCorrection,
  checkChunk,
  checkCorrection,
  checkLayerRange,
  readChunk,
  writeChunk,
} from './chunk-data.js';
import { Entries } from './entries.js';
import type { FakeArena } from './fake-arena.js';
import { FakeRun } from './fake-run.js';
import { replaceSpan } from './replace-span.js';
import { type GroupSpec, planRows } from './row-plan.js';
import { checkEntries, checkPosition, checkSpan, checkTokens } from './validate.js';

export class FakeSequence implements KvSequence {
  readonly arena: FakeArena;
  readonly #entries: Entries;

  constructor(arena: FakeArena) {
    this.arena = arena;
    this.#entries = new Entries(arena.storage);
  }

  get length(): number {
    return this.#entries.length;
  }

  get tokens(): Int32Array {
    const { token } = this.arena.storage;
    return Int32Array.from(this.#entries.list, (cell) => token[cell] as number);
  }

  get positions(): Int32Array {
    const { position } = this.arena.storage;
    return Int32Array.from(this.#entries.list, (cell) => position[cell] as number);
  }

  fork(end: number = this.length): KvSequence {
    const entries = this.assertAlive();
    checkSpan({ start: 0, end }, entries.length);
    const copy = new FakeSequence(this.arena);
    copy.#entries.list = entries.list.slice(0, end);
    this.arena.storage.share(copy.#entries.list);
    return copy;
  }

  adopt(other: KvSequence, span: Span): Span {
    const entries = this.assertAlive();
    entries.assertNoPass();
    const source = this.arena.entriesOf(other);
    const { start, end } = checkSpan(span, source.length);
    const adopted = source.list.slice(start, end);
    const own = new Set(entries.list);
    if (adopted.some((cell) => own.has(cell))) {
      throw new InvalidArgumentError('The sequence already holds a part of the span.');
    }
    this.arena.storage.share(adopted);
    const at = entries.length;
    entries.list.push(...adopted);
    return { start: at, end: entries.length };
  }

  async append(tokens: Int32Array, options: AppendOptions = {}): Promise<ForwardResult> {
    const { positions } = options;
    const group = {
      kind: 'append',
      sequence: this,
      tokens,
      ...(positions && { positions }),
    } as const;
    return this.arena.forward([group], options);
  }

  async refresh(
    entries: Int32Array | Span,
    options: ForwardOutputs & RunOptions = {},
  ): Promise<ForwardResult> {
    const asked = ArrayBuffer.isView(entries) ? entries.slice() : { ...entries };
    return this.#call(options, async (own) => {
      const numbers = checkEntries(asked, own.length);
      return this.arena.compute([{ kind: 'refresh', entries: own, numbers }], options);
    });
  }

  async probe(
    tokens: Int32Array,
    options: AttentionRequest & RunOptions = {},
  ): Promise<GroupAttention> {
    const { signal, onProgress, ...attention } = options;
    const { model, hooks } = this.arena.host;
    const asked = checkTokens(tokens, model.info.vocabSize);
    return this.#call(options, async (entries) => {
      if (entries.passes > 0) throw new InvalidArgumentError('A pass over it is under way.');
      const specs: GroupSpec[] = [{ kind: 'append', entries, tokens: asked }];
      const plan = planRows(this.arena.storage, specs, model.info);
      const run = new FakeRun(model, this.arena.storage, plan, specs, hooks);
      try {
        const layers = attention.layers ?? model.info.probeLayers;
        const to = Math.max(0, ...layers.map((layer) => layer + 1));
        // Layers are checked against the whole model, not against what the probe itself needs.
        const collector = run.collector({ attention }, model.info.layers);
        const result = await run.advance(Math.min(to, model.info.layers), collector, {
          signal,
          onProgress,
        });
        return result.attention?.[0] as GroupAttention;
      } finally {
        run.undo();
      }
    });
  }

  async capture(
    span: Span,
    options: RunOptions & { readonly layers?: LayerRange } = {},
  ): Promise<ChunkKv> {
    const asked = { ...span };
    const model = this.arena.host.model.info;
    return this.#call(options, async (entries) => {
      const { start, end } = checkSpan(asked, entries.length);
      const layers = checkLayerRange(options.layers ?? { from: 0, to: model.layers }, model.layers);
      this.#assertReady({ start, end }, layers.to);
      return readChunk(this.arena.storage, entries.list.slice(start, end), model, layers);
    });
  }

  async splice(
    kv: ChunkKv,
    options: RunOptions & { readonly position?: number } = {},
  ): Promise<Span> {
    const cells = this.arena.storage;
    return this.#call(options, async (entries) => {
      entries.assertNoPass();
      checkChunk(kv, this.arena.host.model.info);
      if (kv.layers.from !== 0) {
        throw new InvalidArgumentError('Layers are loaded from 0 upwards; splice those first.');
      }
      const count = kv.tokens.length;
      const { contextLength } = this.arena.host.model.info;
      const first = options.position ?? entries.nextPosition;
      if (count > 0) {
        checkPosition(first + count - 1, contextLength);
        checkPosition(first, contextLength);
      }
      const taken = cells.take(count);
      writeChunk(cells, taken, kv);
      taken.forEach((cell, row) => {
        cells.token[cell] = kv.tokens[row] as number;
        cells.position[cell] = first + row;
        cells.ready[cell] = kv.layers.to;
        cells.held[cell] = kv.layers.to;
      });
      const start = entries.length;
      entries.list.push(...taken);
      return { start, end: start + count };
    });
  }

  async load(span: Span, kv: ChunkKv, options: RunOptions = {}): Promise<void> {
    const cells = this.arena.storage;
    const asked = { ...span };
    return this.#call(options, async (entries) => {
      const { start, end } = checkSpan(asked, entries.length);
      checkChunk(kv, this.arena.host.model.info);
      const list = entries.list.slice(start, end);
      const matches =
        list.length === kv.tokens.length &&
        list.every((cell, row) => cells.token[cell] === kv.tokens[row]);
      if (!matches) throw new KvMismatchError('The chunk has other tokens than the span.');
      const { from, to } = kv.layers;
      for (const cell of list) {
        const loaded = (cells.live[cell] === 1 ? cells.held[cell] : cells.ready[cell]) as number;
        if (loaded < from) {
          throw new InvalidArgumentError(
            `Layers are loaded from 0 upwards; layer ${loaded} comes next, not ${from}.`,
          );
        }
      }
      writeChunk(cells, this.#own({ start, end }), kv);
      for (const cell of entries.list.slice(start, end)) {
        cells.held[cell] = Math.max(cells.held[cell] as number, to);
        // A row that a pass computes is valid as far as the pass came.
        if (cells.live[cell] === 0) cells.ready[cell] = Math.max(cells.ready[cell] as number, to);
      }
    });
  }

  async correct(
    target: Span | Int32Array,
    correction: KvCorrection,
    options: RunOptions = {},
  ): Promise<void> {
    const asked = ArrayBuffer.isView(target) ? target.slice() : { ...target };
    const model = this.arena.host.model.info;
    return this.#call(options, async (entries) => {
      const list = [...checkEntries(asked, entries.length)];
      const checked = checkCorrection(correction, model, list.length);
      for (const entry of list)
        this.#assertReady({ start: entry, end: entry + 1 }, checked.layers.to);
      const cells = this.#ownEntries(list);
      addCorrection(this.arena.storage, cells, checked);
    });
  }

  async move(span: Span, by: number, options: RunOptions = {}): Promise<void> {
    const asked = { ...span };
    return this.#call(options, async (entries) => {
      entries.assertNoPass();
      const { start, end } = checkSpan(asked, entries.length);
      if (!Number.isInteger(by)) throw new InvalidArgumentError(`Cannot move by ${by}.`);
      const { contextLength } = this.arena.host.model.info;
      for (let entry = start; entry < end; entry++) {
        checkPosition(entries.position(entry) + by, contextLength);
      }
      if (by === 0) return;
      const { position } = this.arena.storage;
      for (const cell of this.#own({ start, end }))
        position[cell] = (position[cell] as number) + by;
    });
  }

  async drop(span: Span, options: RunOptions & { readonly close?: boolean } = {}): Promise<void> {
    const asked = { ...span };
    return this.#call(options, async (entries) => {
      entries.assertNoPass();
      const { start, end } = checkSpan(asked, entries.length);
      const { contextLength } = this.arena.host.model.info;
      const close = options.close ?? true;
      await replaceSpan({ entries, span: { start, end }, count: 0, close, contextLength });
    });
  }

  async replace(span: Span, tokens: Int32Array, options: RunOptions = {}): Promise<Span> {
    const asked = { ...span };
    const { model, hooks } = this.arena.host;
    const cells = this.arena.storage;
    const fresh = checkTokens(tokens, model.info.vocabSize);
    return this.#call(options, async (entries) => {
      entries.assertNoPass();
      const { start, end } = checkSpan(asked, entries.length);
      const { contextLength, layers } = model.info;
      const count = fresh.length;
      const fill = async (position: number): Promise<void> => {
        if (count === 0) return;
        fresh.forEach((token, i) => {
          const cell = entries.list[start + i] as number;
          cells.token[cell] = token;
          cells.position[cell] = position + i;
        });
        const numbers = Int32Array.from(fresh, (_, i) => start + i);
        const specs: GroupSpec[] = [{ kind: 'refresh', entries, numbers }];
        const plan = planRows(cells, specs, model.info);
        const run = new FakeRun(model, cells, plan, specs, hooks);
        try {
          await run.advance(layers, run.collector({}, layers), options);
        } finally {
          run.end();
        }
      };
      const span = { start, end };
      await replaceSpan({ entries, span, count, close: true, contextLength, fill });
      return { start, end: start + count };
    });
  }

  dispose(): void {
    this.#entries.dispose();
  }

  [Symbol.dispose](): void {
    this.dispose();
  }

  /** @throws DisposedError */
  assertAlive(): Entries {
    this.arena.assertAlive();
    if (this.#entries.disposed) throw new DisposedError('sequence');
    return this.#entries;
  }

  async #call<T>(options: RunOptions, task: (entries: Entries) => Promise<T>): Promise<T> {
    const entries = this.assertAlive();
    return this.arena.run([entries], options.signal, () => task(entries));
  }

  /** Makes the span's cells this sequence's own. */
  #own({ start, end }: Span): number[] {
    return this.#ownEntries(Array.from({ length: end - start }, (_, i) => start + i));
  }

  #ownEntries(numbers: readonly number[]): number[] {
    this.arena.storage.reserve(this.#entries.shared(numbers));
    return numbers.map((entry) => this.#entries.own(entry));
  }

  #assertReady({ start, end }: Span, layers: number): void {
    const { ready } = this.arena.storage;
    for (let entry = start; entry < end; entry++) {
      const valid = ready[this.#entries.list[entry] as number] as number;
      if (valid < layers) {
        throw new StaleCellError(`Entry ${entry} is valid up to layer ${valid}, not ${layers}.`);
      }
    }
  }
}
