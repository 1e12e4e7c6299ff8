import { mkdtemp, rm } from 'node:fs/promises';
import { arch, cpus, platform, release, tmpdir, totalmem } from 'node:os';
import { join } from 'node:path';
import { ComputeError } from '../../lib/errors.js';
import { type BinaryReport, listDevices } from './devices.js';
import { type GgmlEngine, loadEngine } from './engine.js';
import { BINARY_VERSION } from './native/library.js';
import { loadRuntime } from './native/runtime.js';
import { openReference } from './reference.js';
import { writeTinyModel } from './tiny-model/index.js';

/** One thing that was tried. */
export interface DoctorCheck {
  readonly name: string;
  readonly ok: boolean;
  /** What was measured, or what went wrong and what to do. */
  readonly detail: string;
  readonly milliseconds: number;
}

export interface Diagnosis {
  /** True when every check passed. */
  readonly healthy: boolean;
  readonly system: Readonly<Record<string, string>>;
  readonly checks: readonly DoctorCheck[];
  readonly devices: readonly BinaryReport[];
}

export interface DiagnoseOptions {
  readonly signal?: AbortSignal;
  /** Called before each check. */
  readonly onCheck?: (name: string) => void;
}

/** Largest difference of a logit, in standard deviations of the logits: rounding stays far below. */
const tolerance = 0.02;

/**
 * Tries the native engine on a tiny model that it writes itself, and compares it with llama.cpp. Never rejects for a
 * failed check; rejects with the signal's reason.
 */
export async function diagnose(options: DiagnoseOptions = {}): Promise<Diagnosis> {
  const folder = await mkdtemp(join(tmpdir(), 'chunkweave-doctor-'));
  const examination = new Examination(join(folder, 'tiny.gguf'), options);
  try {
    await examination.run();
  } finally {
    await rm(folder, { recursive: true, force: true });
  }
  const { checks, devices } = examination;
  return { healthy: checks.every(({ ok }) => ok), system: describeSystem(), checks, devices };
}

/** The report as text to paste into an issue. It names no folder of the user. */
export function renderDiagnosis({ healthy, system, checks, devices }: Diagnosis): string {
  const lines = Object.entries(system).map(([name, value]) => `${name.padEnd(11)} ${value}`);
  lines.push('');
  for (const { name, ok, detail, milliseconds } of checks) {
    lines.push(`${ok ? 'ok  ' : 'FAIL'} ${name} (${milliseconds.toFixed(0)} ms): ${detail}`);
  }
  lines.push('');
  for (const { variant, installed, devices: found, note } of devices) {
    lines.push(
      `${variant}: ${installed ? found.map(({ description, name }) => `${name} (${description})`).join(', ') || 'no device' : 'not installed'}`,
    );
    if (note) lines.push(`  ${note}`);
  }
  lines.push('', healthy ? 'Everything works.' : 'Something is wrong; see FAIL above.');
  return lines.join('\n');
}

function describeSystem(): Record<string, string> {
  const [cpu] = cpus();
  return {
    system: `${platform()} ${release()} ${arch()}`,
    node: process.versions.node,
    cpu: `${cpus().length} x ${cpu?.model.trim() ?? 'unknown'}`,
    memory: `${(totalmem() / 1e9).toFixed(1)} GB`,
    bindings: `written for ${BINARY_VERSION}`,
  };
}

class Examination {
  readonly checks: DoctorCheck[] = [];
  devices: readonly BinaryReport[] = [];
  readonly #path: string;
  readonly #options: DiagnoseOptions;
  #engine: GgmlEngine | undefined;

  constructor(path: string, options: DiagnoseOptions) {
    this.#path = path;
    this.#options = options;
  }

  async run(): Promise<void> {
    const { signal } = this.#options;
    const steps: [string, () => Promise<string>][] = [
      ['native libraries', () => this.#loadLibraries()],
      ['tiny model', () => this.#loadModel()],
      ['tokenizer', () => this.#tokenise()],
      ['prefill against llama.cpp', () => this.#prefill()],
      ['splice, move and refresh', () => this.#weave()],
      ['decode', () => this.#decode()],
    ];
    try {
      for (const [name, step] of steps) {
        if (!(await this.#check(name, step))) break;
      }
    } finally {
      await this.#engine?.dispose();
    }
    await this.#check('devices', async () => {
      this.devices = await listDevices(signal ? { signal } : {});
      const found = this.devices.flatMap(({ devices }) => devices);
      return `${found.length} found`;
    });
  }

  async #check(name: string, step: () => Promise<string>): Promise<boolean> {
    const { signal, onCheck } = this.#options;
    signal?.throwIfAborted();
    onCheck?.(name);
    const start = performance.now();
    let ok = true;
    let detail: string;
    try {
      detail = await step();
    } catch (error) {
      signal?.throwIfAborted();
      ok = false;
      detail = error instanceof Error ? error.message : String(error);
    }
    this.checks.push({ name, ok, detail, milliseconds: performance.now() - start });
    return ok;
  }

  async #loadLibraries(): Promise<string> {
    const { binaries, ggml } = loadRuntime('base');
    return `${binaries.packageName}, ggml ${ggml.version()}`;
  }

  async #loadModel(): Promise<string> {
    const { ggml } = loadRuntime('base');
    const { bytes } = await writeTinyModel(ggml, this.#path, {
      architecture: 'llama',
      weightType: 'q8_0',
    });
    this.#engine = await loadEngine({ model: this.#path, device: 'cpu', ...this.#signal });
    return `${(bytes / 1e3).toFixed(0)} KB on ${this.#engine.device.description}`;
  }

  async #tokenise(): Promise<string> {
    const { tokenizer } = this.#ready;
    const text = 'Naïve café: 你好, 👋🏽 <|im_start|>\n\ttabs';
    const { ids } = await tokenizer.encode(text, this.#signal);
    const back = tokenizer.decode(ids);
    if (back !== text) throw new ComputeError(`"${text}" came back as "${back}".`);
    return `${ids.length} tokens and back`;
  }

  async #prefill(): Promise<string> {
    const tokens = this.#tokens(100);
    const expected = await this.#reference(tokens);
    const actual = await this.#inArena(async (arena) => {
      const { logits } = await arena.createSequence().append(tokens, this.#signal);
      return logits!.values;
    });
    return compare(actual, expected);
  }

  /** Weaves a chunk that was encoded alone behind another text, refreshes it, and asks. */
  async #weave(): Promise<string> {
    const tokens = this.#tokens(100);
    const expected = await this.#reference(tokens);
    const actual = await this.#inArena(async (arena) => {
      const source = arena.createSequence();
      await source.append(tokens.subarray(40, 80), { logits: 'none', ...this.#signal });
      const later = await source.capture({ start: 0, end: 40 });
      const woven = arena.createSequence();
      await woven.append(tokens.subarray(0, 40), { logits: 'none', ...this.#signal });
      const span = await woven.splice(later);
      await woven.refresh(span, { logits: 'none', ...this.#signal });
      const { logits } = await woven.append(tokens.subarray(80), this.#signal);
      return logits!.values;
    });
    return compare(actual, expected);
  }

  async #decode(): Promise<string> {
    const tokens = this.#tokens(20);
    const generated = await this.#inArena(async (arena) => {
      const sampler = await this.#ready.createSampler({ temperature: 0 });
      try {
        const sequence = arena.createSequence();
        const ids: number[] = [];
        let { logits } = await sequence.append(tokens, this.#signal);
        for (let step = 0; step < 8; step++) {
          const id = await sampler.sample(logits!.values);
          ids.push(id);
          ({ logits } = await sequence.append(Int32Array.of(id), this.#signal));
        }
        return ids;
      } finally {
        await sampler.dispose();
      }
    });
    return `${generated.length} tokens`;
  }

  async #inArena<T>(work: (arena: Awaited<ReturnType<GgmlEngine['createArena']>>) => Promise<T>) {
    const arena = await this.#ready.createArena({ cells: 512 });
    try {
      return await work(arena);
    } finally {
      await arena.dispose();
    }
  }

  async #reference(tokens: Int32Array): Promise<Float32Array> {
    const reference = await openReference(loadRuntime('base'), {
      path: this.#path,
      contextLength: 512,
    });
    try {
      return await reference.decode(tokens);
    } finally {
      await reference.dispose();
    }
  }

  #tokens(count: number): Int32Array {
    const { vocabSize } = this.#ready.model;
    const low = Math.min(300, vocabSize >> 1);
    return Int32Array.from({ length: count }, (_, i) => low + ((i * 37 + 11) % (vocabSize - low)));
  }

  get #ready(): GgmlEngine {
    if (!this.#engine) throw new ComputeError('The engine did not load.');
    return this.#engine;
  }

  get #signal(): { signal?: AbortSignal } {
    const { signal } = this.#options;
    return signal ? { signal } : {};
  }
}

/** @throws ComputeError when the logits are further apart than rounding explains. */
function compare(actual: Float32Array, expected: Float32Array): string {
  const mean = expected.reduce((sum, value) => sum + value, 0) / expected.length;
  const variance = expected.reduce((sum, value) => sum + (value - mean) ** 2, 0) / expected.length;
  let worst = 0;
  for (const [i, value] of actual.entries()) {
    worst = Math.max(worst, Math.abs(value - expected[i]!));
  }
  const apart = worst / Math.sqrt(variance);
  const detail =
    worst === 0
      ? "logits identical to llama.cpp's"
      : `logits within ${apart.toPrecision(2)} standard deviations of llama.cpp's`;
  if (!(apart <= tolerance)) throw new ComputeError(`${detail}; at most ${tolerance} is expected.`);
  return detail;
}
