import { join } from 'node:path';
import { expect, test } from '@jest/globals';
import { z } from 'zod';
import { loadEngine } from '../../../adapters/ggml/index.js';
import { ChatChunkweave } from '../../../adapters/langchain/index.js';
import { scratch, tinyFile } from '../../support/native.js';

test('a random model of the native engine answers in the form of any schema', async () => {
  const path = await tinyFile({ architecture: 'llama' });
  const hashCache = join(scratch, 'langchain-hashes.json');
  await using engine = await loadEngine({ model: path, device: 'cpu', threads: 1, hashCache });
  const schema = z.object({
    name: z.string().max(6),
    age: z.int().min(0).max(120).optional(),
    tags: z.array(z.enum(['a', 'b'])).max(3),
    place: z.union([z.null(), z.object({ north: z.boolean() })]),
    day: z.literal('Monday').optional(),
  });
  const answers = new Set<string>();
  for (let seed = 0; seed < 6; seed++) {
    const sampling = { temperature: 1, seed };
    await using model = new ChatChunkweave({ engine, maxTokens: 400, sampling });
    const answer = await model.withStructuredOutput(schema).invoke('Who?');
    expect(schema.safeParse(answer).success).toBe(true);
    answers.add(JSON.stringify(answer));
  }
  expect(answers.size).toBeGreaterThan(1);
});
