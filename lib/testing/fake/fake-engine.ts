import type { KvArena } from '../../engine/arena.js';
import { createChatFormat } from '../../engine/chat-template.js';
import type { ChatFormat } from '../../engine/chat.js';
import type { DeviceInfo } from '../../engine/device.js';
import type { ArenaOptions, KvEngine } from '../../engine/engine.js';
import type { ModelInfo } from '../../engine/model-info.js';
import type { Sampler, SamplingOptions } from '../../engine/sampling.js';
import { DisposedError, InvalidArgumentError, OutOfMemoryError } from '../../errors.js';
import { FakeArena } from './fake-arena.js';
import { FakeModel, type FakeModelOptions } from './fake-model.js';
import { FakeSampler } from './fake-sampler.js';
import { FakeTokenizer } from './fake-tokenizer.js';
import { pause, WorkQueue } from './work-queue.js';

export interface FakeEngineOptions extends FakeModelOptions {
  /** Whether prompts begin with BOS; default true. */
  readonly addBos?: boolean;
  /** Chat template of the model; default ChatML, `null` for a model without one. */
  readonly chatTemplate?: string | null;
  /** Pretended time of computing, in milliseconds; default none. */
  readonly latency?: {
    /** For each layer of a batch. */
    readonly perLayer?: number;
    /** For each row in each layer. */
    readonly perRow?: number;
  };
  /** Pretended memory: cells that all arenas together may have; default no bound. */
  readonly maxCells?: number;
}

/** What a fake engine was asked to compute so far. */
export interface FakeCounters {
  /** Layers of batches. */
  layers: number;
  /** Rows, each counted once a layer: the measure of work. */
  rowLayers: number;
}

const CHATML =
  `{% for m in messages %}{{ '<|im_start|>' + m['role'] + '\\n' + m['content'] + '<|im_end|>\\n' }}` +
  `{% endfor %}{% if add_generation_prompt %}{{ '<|im_start|>assistant\\n' }}{% endif %}`;

/**
 * A complete {@link KvEngine} in plain TypeScript: a tiny transformer with seeded random weights. What it
 * says has no meaning, but it computes for real, deterministically, and without native code. Keys are held
 * un-rotated, so capture, splice and move lose nothing and results can be compared exactly.
 */
export class FakeEngine implements KvEngine {
  readonly model: ModelInfo;
  readonly tokenizer: FakeTokenizer;
  readonly chat: ChatFormat;
  readonly device: DeviceInfo = {
    name: 'Fake',
    kind: 'fake',
    description: 'a tiny transformer in TypeScript, for tests',
    memoryTotal: 0,
    memoryFree: 0,
  };
  readonly counters: FakeCounters = { layers: 0, rowLayers: 0 };
  readonly #model: FakeModel;
  readonly #options: FakeEngineOptions;
  readonly #queue = new WorkQueue();
  #failure: { error: Error; layers: number } | undefined;
  #cells = 0;
  #disposed = false;

  constructor(options: FakeEngineOptions = {}) {
    this.#options = options;
    this.tokenizer = new FakeTokenizer(
      options.addBos === undefined ? {} : { addBos: options.addBos },
    );
    const { vocabSize, fingerprint } = this.tokenizer;
    this.#model = new FakeModel(options, vocabSize, fingerprint);
    this.model = this.#model.info;
    const template = options.chatTemplate === undefined ? CHATML : options.chatTemplate;
    this.chat = createChatFormat({
      tokenizer: this.tokenizer,
      ...(template !== null && { template }),
    });
  }

  async createArena(options: ArenaOptions): Promise<KvArena> {
    this.#assertAlive();
    const { cells } = options;
    if (!Number.isInteger(cells) || cells < 1) {
      throw new InvalidArgumentError(`An arena needs at least one cell, not ${cells}.`);
    }
    const size = Math.ceil(cells / 256) * 256;
    if (this.#cells + size > (this.#options.maxCells ?? 2 ** 20)) {
      throw new OutOfMemoryError('cells', size * this.model.kv.layers * 64, this.device.name);
    }
    this.#cells += size;
    const arena = new FakeArena(
      {
        model: this.#model,
        queue: this.#queue,
        hooks: { beforeLayer: (rows) => this.#beforeLayer(rows) },
        isDisposed: () => this.#disposed,
        onArenaDisposed: () => {
          this.#cells -= size;
        },
      },
      size,
    );
    return arena;
  }

  async createSampler(options: SamplingOptions = {}): Promise<Sampler> {
    this.#assertAlive();
    return new FakeSampler(this.tokenizer, options, () => this.#disposed);
  }

  /** Lets the next compute fail with `error`, after it has done `layers` (default 0) layers. */
  failNext(error: Error, layers = 0): void {
    this.#failure = { error, layers };
  }

  async dispose(): Promise<void> {
    this.#disposed = true;
    await this.#queue.idle();
  }

  async [Symbol.asyncDispose](): Promise<void> {
    await this.dispose();
  }

  async #beforeLayer(rows: number): Promise<void> {
    const { perLayer = 0, perRow = 0 } = this.#options.latency ?? {};
    await pause(perLayer + rows * perRow);
    if (this.#failure && this.#failure.layers-- <= 0) {
      const { error } = this.#failure;
      this.#failure = undefined;
      throw error;
    }
    this.counters.layers++;
    this.counters.rowLayers += rows;
  }

  #assertAlive(): void {
    if (this.#disposed) throw new DisposedError('engine');
  }
}
