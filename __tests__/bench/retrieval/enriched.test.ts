import { mkdtemp, rm, appendFile } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { expect, test } from '@jest/globals';
import { enrichedArms } from '../../../bench/retrieval/enriched.js';
import { keptEnrichments } from '../../../bench/retrieval/kept-enrichments.js';
import { rememberVectors } from '../../../bench/retrieval/remember.js';
import { denseRetriever, flatIndex, withEnrichment } from '../../../lib/index.js';
import { HashingEmbedder } from '../../../lib/testing/index.js';
import { cut } from '../../lib/retrieve/support.js';

const plain = cut('d', ['tides follow it ', 'bread is baked ', 'yeast makes it rise ']);
const chunks = [
  withEnrichment(plain[0]!, { title: 'The moon', questions: ['Why is there ebb?'] }),
  withEnrichment(plain[1]!, { title: 'Baking' }),
  plain[2]!,
];

test('every arm finds by what only the enrichment says, and names what it adds to', async () => {
  const own = new HashingEmbedder();
  const embedder = rememberVectors(own);
  const dense = denseRetriever({ embedder, index: flatIndex({ embedder }) });
  await dense.add(chunks);
  const fields = ['title', 'questions'] as const;
  const arms = await enrichedArms({ chunks, fields, embedder, dense });
  expect(arms.map(({ name, base }) => [name, base])).toEqual([
    ['bm25 enriched', 'bm25'],
    ['dense enriched', 'dense'],
    ['hybrid enriched', 'hybrid min-max'],
  ]);
  for (const { name, settings } of arms) {
    for (const { name: setting, retriever } of settings) {
      const isIn = setting.startsWith('title') || setting.startsWith('all');
      const [hit] = await retriever.search('moon', { k: 1 });
      if (isIn) expect([name, setting, hit?.chunk.id]).toEqual([name, setting, plain[0]!.id]);
      else if (name === 'bm25 enriched') expect(hit).toBeUndefined();
    }
  }
  expect(new Set(own.seen).size).toBe(own.seen.length);
  const lexical = await enrichedArms({ chunks, fields, embedder: undefined, dense: undefined });
  expect(lexical.map(({ name }) => name)).toEqual(['bm25 enriched']);
});

test('what was written is there in the next run, also behind a line that was cut short', async () => {
  const folder = await mkdtemp(join(tmpdir(), 'enrichments-'));
  const path = join(folder, 'made', 'enrichments.jsonl');
  try {
    const first = await keptEnrichments(path);
    expect(await first.get('a')).toBeUndefined();
    await Promise.all([first.set('a', { title: 'A\nB' }), first.set('b', {})]);
    await appendFile(path, '["c",{"titl');
    const second = await keptEnrichments(path);
    expect(await second.get('a')).toEqual({ title: 'A\nB' });
    expect(await second.get('b')).toEqual({});
    expect(await second.get('c')).toBeUndefined();
    await second.set('d', { summary: 'D' });
    expect(await (await keptEnrichments(path)).get('d')).toEqual({ summary: 'D' });
  } finally {
    await rm(folder, { recursive: true });
  }
});
