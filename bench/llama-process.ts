/**
 * llama.cpp in a process of its own, as the other side of a measurement: its threads and ours never run at
 * the same time, and neither shares memory with the other.
 */
import { fork } from 'node:child_process';
import { fileURLToPath } from 'node:url';

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

/** The setting in which llama.cpp prefills these tokens fastest, by one trial each after a warm-up. */
export async function bestSetting(
  start: Omit<LlamaStart, keyof LlamaSetting>,
  tokens: Int32Array,
): Promise<LlamaSetting> {
  let best: { setting: LlamaSetting; ms: number } | undefined;
  for (const flashAttention of [true, false]) {
    for (const ubatch of [512, 2048]) {
      const llama = await startLlama({ ...start, flashAttention, ubatch });
      await llama.prefill(tokens.slice(0, 256));
      const ms = Math.min(await llama.prefill(tokens), await llama.prefill(tokens));
      await llama.close();
      if (!best || ms < best.ms) best = { setting: { flashAttention, ubatch }, ms };
    }
  }
  return (best as { setting: LlamaSetting }).setting;
}
