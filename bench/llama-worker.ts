/** The child process of {@link startLlama}. */
import { describeDevice } from '../adapters/ggml/backend.js';
import { pickDevice } from '../adapters/ggml/devices.js';
import { openReference, type Reference } from '../adapters/ggml/reference.js';
import type { LlamaStart } from './llama-process.js';
import { argMax } from './tokens.js';

let reference: Reference | undefined;

type Request =
  | ({ do: 'open' } & LlamaStart)
  | { do: 'prefill'; tokens: Int32Array }
  | { do: 'decode'; tokens: Int32Array; count: number };

async function answer(request: Request): Promise<number> {
  if (request.do === 'open') {
    const { runtime, device } = await pickDevice(request.device);
    const isCpu = describeDevice(runtime, device).kind === 'cpu';
    reference = await openReference(runtime, {
      device: isCpu ? undefined : device,
      path: request.path,
      contextLength: request.contextLength,
      threads: request.threads,
      flashAttention: request.flashAttention,
      batch: request.contextLength,
      ubatch: request.ubatch,
    });
    return 0;
  }
  if (!reference) throw new Error('not open');
  reference.clear();
  let start = performance.now();
  let logits = await reference.decode(request.tokens, { logits: 'last' });
  if (request.do === 'decode') {
    start = performance.now();
    for (let i = 0; i < request.count; i++) {
      logits = await reference.decode(Int32Array.of(argMax(logits)), { logits: 'last' });
    }
  }
  return performance.now() - start;
}

process.on('message', (request: Request) => {
  answer(request).then(
    (ms) => process.send?.({ ms }),
    (error: unknown) => process.send?.({ error: String(error) }),
  );
});
process.on('disconnect', () => {
  reference?.dispose();
  process.exit(0);
});
