import { fileURLToPath } from 'node:url';

/**
 * Brings the default model and the default embedder here once, before the tests: those that need real ones find their
 * paths in CHUNKWEAVE_TEST_MODEL and CHUNKWEAVE_TEST_EMBEDDER. Without a network they are skipped, unless
 * CHUNKWEAVE_TEST_STRICT is set.
 */
export default async function setUp() {
  await Promise.all([
    bring('CHUNKWEAVE_TEST_MODEL', ({ defaultModel }) => defaultModel),
    bring('CHUNKWEAVE_TEST_EMBEDDER', ({ defaultEmbedder }) => defaultEmbedder),
  ]);
}

async function bring(variable, aliasIn) {
  if (process.env[variable]) return;
  const models = fileURLToPath(new URL('../dist/adapters/models/index.js', import.meta.url));
  try {
    const adapter = await import(models);
    const { path } = await adapter.resolveModel(aliasIn(adapter), { retries: 2 });
    process.env[variable] = path;
  } catch (error) {
    if (process.env.CHUNKWEAVE_TEST_STRICT) throw error;
    console.warn(`Tests that need ${variable} are skipped: ${error.message}`);
  }
}
