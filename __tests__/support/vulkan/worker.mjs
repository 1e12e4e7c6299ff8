// Runs on the built package in a process of its own, since a process holds one set of libraries. Takes jobs
// as JSON, tells results as one JSON line each.
import { loadEngine } from 'chunkweave/ggml';
import { engineConformance } from 'chunkweave/testing';

const { device, jobs } = JSON.parse(process.argv[2]);
const say = (message) => process.stdout.write(`${JSON.stringify(message)}\n`);

for (const job of jobs) {
  const createEngine = () => loadEngine({ model: job.model, device, hashCache: job.hashCache });
  if (job.tokens) {
    const engine = await createEngine();
    say({ device: engine.info?.device ?? engine.device });
    const arena = await engine.createArena({ cells: 1024 });
    const sequence = arena.createSequence();
    const logits = [];
    let at = 0;
    for (const size of job.pieces) {
      const piece = Int32Array.from(job.tokens.slice(at, at + size));
      at += size;
      const result = await sequence.append(piece, { logits: 'all' });
      logits.push(...result.logits.values);
    }
    say({ model: job.name, logits });
    await arena.dispose();
    await engine.dispose();
  }
  if (!job.conformance) continue;
  const tests = [];
  let finish;
  engineConformance(
    { test: (name, run) => tests.push({ name, run }), afterAll: (run) => (finish = run) },
    { createEngine, tolerance: job.tolerance },
  );
  for (const { name, run } of tests) {
    const start = performance.now();
    let error;
    await run().catch((reason) => (error = reason.stack ?? String(reason)));
    say({ model: job.name, test: name, error, ms: performance.now() - start });
  }
  await finish?.();
}
say({ done: true });
