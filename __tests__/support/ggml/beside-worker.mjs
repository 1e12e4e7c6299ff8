// Runs on the built package in a process in which another library has loaded llama.cpp before. Takes a job as
// JSON, tells the result as one JSON line.
import { createRequire } from 'node:module';
import { readdirSync } from 'node:fs';
import { join } from 'node:path';

const { other, directory, model, hashCache, tokens } = JSON.parse(process.argv[2]);
const require = createRequire(import.meta.url);
const file = (pattern) =>
  join(
    directory,
    readdirSync(directory).find((name) => pattern.test(name)),
  );

/** What the other library does with llama.cpp, before the engine and after it. */
async function begin() {
  if (other === 'addon') {
    // What node-llama-cpp does when it starts.
    const addon = require(join(directory, 'llama-addon.node'));
    addon.setLogger?.(() => {});
    addon.setLoggerLogLevel?.(0);
    addon.loadBackends();
    await addon.init();
    return async () => {
      const loaded = new addon.AddonModel(model, { gpuLayers: 0, useMmap: false });
      await loaded.init();
      const text = loaded.detokenize(Uint32Array.from(tokens), false);
      await loaded.dispose();
      return text.length;
    };
  }
  const koffi = require('koffi');
  if (other === 'part') {
    const version = koffi.load(file(/ggml-base\./)).func('ggml_version', 'str', []);
    return async () => version().length;
  }
  const base = koffi.load(file(/ggml-base\./), { global: true });
  const ggml = koffi.load(file(/^(lib)?ggml\.(?!.*(cpu|base)).*/), { global: true });
  const llama = koffi.load(file(/^(lib)?llama\./), { global: true });
  ggml.func('ggml_backend_load_all_from_path', 'void', ['str'])(directory);
  llama.func('llama_backend_init', 'void', [])();
  const count = ggml.func('ggml_backend_dev_count', 'size_t', []);
  const version = base.func('ggml_version', 'str', []);
  return async () => `${version()} ${count()}`.length;
}

const after = await begin();
const { loadEngine } = await import('chunkweave/ggml');
const say = (message) => process.stdout.write(`\n${JSON.stringify(message)}\n`);
try {
  const engine = await loadEngine({ model, device: 'cpu', threads: 1, hashCache });
  const arena = await engine.createArena({ cells: 256 });
  const sequence = arena.createSequence();
  const { logits } = await sequence.append(Int32Array.from(tokens), { logits: 'all' });
  const during = await after();
  await engine.dispose();
  say({ logits: [...logits.values], during, ended: await after() });
} catch ({ code, message }) {
  say({ code, message, ended: await after() });
}
