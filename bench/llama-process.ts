/**
 * llama.cpp in a process of its own, as the other side of a measurement: its threads and ours never run at
 * the same time, and neither shares memory with the other.
 */
import { fork } from 'node:child_process';
import { fileURLToPath } from 'node:url';
import type { DeviceChoice } from '../adapters/ggml/index.js';

export interface LlamaSetting {
  readonly flashAttention: boolean;
  readonly ubatch: number;
}

export interface LlamaProcess {
  /** Milliseconds that prefill of `tokens` into an empty context takes. */
  prefill(tokens: Int32Array): Promise<number>;
  /** Milliseconds that `count` greedy steps take after a prefill of `tokens`. */
  decode(tokens: Int32Array, count: number): Promise<number>;
  close(): Promise<void>;
}

export interface LlamaStart extends LlamaSetting {
  readonly path: string;
  readonly contextLength: number;
  readonly threads: number;
  /** Where it computes: with the same libraries, on the same device as the other side. */
  readonly device: DeviceChoice;
}

export async function startLlama(start: LlamaStart): Promise<LlamaProcess> {
  const child = fork(fileURLToPath(new URL('./llama-worker.js', import.meta.url)), {
    serialization: 'advanced',
  });
  const ask = (message: unknown): Promise<number> =>
    new Promise((resolve, reject) => {
      const exited = (code: number | null): void =>
        reject(new Error(`llama.cpp's process ended (${code})`));
      child.once('exit', exited);
      child.once('message', (answer: { ms?: number; error?: string }) => {
        child.off('exit', exited);
        if (answer.ms === undefined) reject(new Error(answer.error));
        else resolve(answer.ms);
      });
      child.send(message as object);
    });
  await ask({ do: 'open', ...start });
  return {
    prefill: (tokens) => ask({ do: 'prefill', tokens }),
    decode: (tokens, count) => ask({ do: 'decode', tokens, count }),
    async close() {
      const gone = new Promise((resolve) => child.once('exit', resolve));
      child.disconnect();
      await gone;
    },
  };
}

const settings: readonly LlamaSetting[] = [true, false].flatMap((flashAttention) =>
  [512, 2048].map((ubatch) => ({ flashAttention, ubatch })),
);

export const describeSetting = ({ flashAttention, ubatch }: LlamaSetting): string =>
  `flash attention ${flashAttention ? 'on' : 'off'}, ubatch ${ubatch}`;

/** The setting in which llama.cpp prefills these tokens fastest, by the better of two trials each after a warm-up. */
export async function bestSetting(
  start: Omit<LlamaStart, keyof LlamaSetting>,
  tokens: Int32Array,
): Promise<LlamaSetting> {
  return (await bestSettings(start, tokens)).prefill;
}

/** The settings in which llama.cpp prefills these tokens fastest, and decodes fastest after them. */
export async function bestSettings(
  start: Omit<LlamaStart, keyof LlamaSetting>,
  tokens: Int32Array,
  decodeSteps = 0,
): Promise<{ readonly prefill: LlamaSetting; readonly decode: LlamaSetting }> {
  const trials: { setting: LlamaSetting; prefill: number; decode: number }[] = [];
  for (const setting of settings) {
    const llama = await startLlama({ ...start, ...setting });
    await llama.prefill(tokens.slice(0, 256));
    const prefill = await betterOfTwo(() => llama.prefill(tokens));
    const decode = decodeSteps > 0 ? await betterOfTwo(() => llama.decode(tokens, decodeSteps)) : 0;
    await llama.close();
    trials.push({ setting, prefill, decode });
  }
  const bestOf = (what: 'prefill' | 'decode'): LlamaSetting =>
    trials.reduce((best, trial) => (trial[what] < best[what] ? trial : best)).setting;
  return { prefill: bestOf('prefill'), decode: bestOf('decode') };
}

const betterOfTwo = async (run: () => Promise<number>): Promise<number> =>
  Math.min(await run(), await run());
