import { fileURLToPath } from 'node:url';

/**
 * Brings the default model here once, before the tests: those that need a real one find its path in
 * CHUNKWEAVE_TEST_MODEL. Without a network they are skipped, unless CHUNKWEAVE_TEST_STRICT is set.
 */
export default async function setUp() {
  if (process.env.CHUNKWEAVE_TEST_MODEL) return;
  const models = fileURLToPath(new URL('../dist/adapters/models/index.js', import.meta.url));
  try {
    const { defaultModel, resolveModel } = await import(models);
    const { path } = await resolveModel(defaultModel, { retries: 2 });
    process.env.CHUNKWEAVE_TEST_MODEL = path;
  } catch (error) {
    if (process.env.CHUNKWEAVE_TEST_STRICT) throw error;
    console.warn(`Tests with a real model are skipped: ${error.message}`);
  }
}
