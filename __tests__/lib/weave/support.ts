import { createWeave, type Document, type Weave, type WeaveOptions } from '../../../lib/index.js';
import { FakeEngine, type FakeEngineOptions } from '../../../lib/testing/index.js';
import { recursiveChunker } from '../../../lib/index.js';

/** Documents whose paragraphs differ, each about the length of one chunk. */
export const documents: readonly Document[] = [
  {
    id: 'harbour.md',
    title: 'The harbour',
    source: '/docs/harbour.md',
    text: [
      'The harbour of Elmsport was built by engineers who feared the winter storms.',
      'Its lighthouse keeper, Marta Quill, wrote the weather down every evening.',
      'Fishing boats unload herring and mackerel at the northern quay.',
    ].join('\n\n'),
  },
  {
    id: 'museum.md',
    title: 'The museum',
    text: [
      'The museum keeps clocks, compasses and the diaries of a lighthouse keeper.',
      'A brass compass from the old harbour office is the oldest thing there.',
      'Visitors come for the tower clock, which strikes thirteen at noon.',
    ].join('\n\n'),
  },
];

export const question = 'Who was the lighthouse keeper of the harbour?';

export interface TestWeave {
  readonly engine: FakeEngine;
  readonly weave: Weave;
}

const open: TestWeave[] = [];

export async function testWeave(
  options: Partial<WeaveOptions> & { readonly fake?: FakeEngineOptions } = {},
): Promise<TestWeave> {
  const { fake, ...weaveOptions } = options;
  const engine = new FakeEngine(fake);
  const weave = await createWeave({
    engine,
    chunker: recursiveChunker({ maxTokens: 64 }),
    maxTokens: 8,
    topK: 4,
    ...weaveOptions,
  });
  const made = { engine, weave };
  open.push(made);
  return made;
}

/** A weave over {@link documents}, of which nothing is computed yet. */
export async function indexedWeave(options: Parameters<typeof testWeave>[0] = {}) {
  const made = await testWeave(options);
  await made.weave.ingest(documents, { budget: { milliseconds: 0 } });
  return made;
}

export async function disposeAll(): Promise<void> {
  for (const { weave, engine } of open.splice(0)) {
    await weave.dispose();
    await engine.dispose();
  }
}
