import { expect, test } from '@jest/globals';
import {
  cacheAwareSelector,
  createWeave,
  InvalidArgumentError,
  type WeaveOptions,
} from '../../../lib/index.js';
import { FakeEngine } from '../../../lib/testing/index.js';

test('options that go wrong do not compile', async () => {
  const engine = new FakeEngine();
  const wrong: WeaveOptions[] = [
    // @ts-expect-error without an engine nothing computes
    {},
    // @ts-expect-error a budget has one measure
    { engine, selector: cacheAwareSelector(), budget: { tokens: 100, milliseconds: 100 } },
    // @ts-expect-error one of which must be there
    { engine, selector: cacheAwareSelector(), budget: {} },
    // @ts-expect-error a name that is none
    { engine, warmup: 'documents' },
    // @ts-expect-error a policy is an object, not a name
    { engine, policy: 'hybrid' },
    // @ts-expect-error a misspelt option
    { engine, chuncker: undefined },
  ];
  expect(wrong.length).toBe(6);
  const weave = await createWeave({ engine });
  await weave.ingest([{ id: 'otters', text: 'Otters eat fish.' }]);
  // What has no types is refused when it runs.
  for (const budget of [{ tokens: 100, milliseconds: 100 }, {}]) {
    const options = { selector: cacheAwareSelector(), budget } as never;
    await expect(weave.ask('What do otters eat?', options)).rejects.toThrow(InvalidArgumentError);
  }
  await weave.dispose();
  await engine.dispose();
});
