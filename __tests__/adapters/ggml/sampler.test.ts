import { afterAll, beforeAll, describe, expect, test } from '@jest/globals';
import { array, assert, asyncProperty, constantFrom, oneof, string } from 'fast-check';
import { checkGrammar } from '../../../adapters/ggml/gbnf.js';
import { createNativeSampler } from '../../../adapters/ggml/sampler.js';
import { createTokenizer, type NativeTokenizer } from '../../../adapters/ggml/tokenizer.js';
import type { SamplingOptions } from '../../../lib/engine/sampling.js';
import { DisposedError, InvalidArgumentError, SamplingError } from '../../../lib/errors.js';
import { randomNumbers } from '../../support/ggml/random.js';
import { vocabularyFile } from '../../support/ggml/vocabulary-file.js';
import { argMax } from '../../support/logits.js';
import { runtime } from '../../support/native.js';

let tokenizer: NativeTokenizer;
beforeAll(async () => {
  tokenizer = await createTokenizer(runtime(), await vocabularyFile({ kind: 'bpe' }));
});
afterAll(() => tokenizer.dispose());

const open = (options: SamplingOptions = {}, from = tokenizer) =>
  createNativeSampler(runtime(), from, options);

/** Logits with a standard deviation of `spread`. */
function logits(seed: number, spread = 2, size = tokenizer.vocabSize): Float32Array {
  const random = randomNumbers(seed);
  return Float32Array.from(
    { length: size },
    () => spread * (random() + random() + random() + random() - 2) * Math.sqrt(3),
  );
}

/** Samples until the end or `most` tokens from random logits. */
async function generate(options: SamplingOptions, most = 40, seed = 1, from = tokenizer) {
  await using sampler = await open(options, from);
  const tokens: number[] = [];
  for (let step = 0; step < most; step++) {
    const token = await sampler.sample(logits(seed * 1000 + step, 2, from.vocabSize));
    if (from.isEndOfGeneration(token)) return { tokens, text: from.decode(tokens), ended: true };
    tokens.push(token);
  }
  return { tokens, text: from.decode(tokens), ended: false };
}

test('takes the most likely token by default', async () => {
  await using sampler = await open();
  for (let seed = 0; seed < 20; seed++) {
    const values = logits(seed);
    expect(await sampler.sample(values)).toBe(argMax(values));
  }
});

test('the same seed gives the same tokens, another seed others', async () => {
  for (const more of [{}, { topK: 40 }, { topP: 0.9 }, { minP: 0.05 }, { repeatPenalty: 1.2 }]) {
    const options = { temperature: 1, seed: 7, ...more };
    const first = await generate(options);
    expect((await generate(options)).tokens).toEqual(first.tokens);
    expect((await generate({ ...options, seed: 8 })).tokens).not.toEqual(first.tokens);
  }
  const last = { temperature: 1, seed: 2 ** 32 - 1 };
  expect((await generate(last)).tokens).toEqual((await generate(last)).tokens);
});

test('draws tokens as often as they are likely', async () => {
  await using sampler = await open({ temperature: 2, seed: 3 });
  const values = new Float32Array(tokenizer.vocabSize).fill(-1e4);
  // At temperature 2: likelihoods of 4 : 2 : 1.
  [4, 2, 1].forEach((weight, i) => (values[50 + i] = 2 * Math.log(weight)));
  const counts = [0, 0, 0];
  for (let i = 0; i < 2100; i++) {
    const token = (await sampler.sample(values)) - 50;
    counts[token] = (counts[token] ?? 0) + 1;
  }
  expect(counts).toHaveLength(3);
  [1200, 600, 300].forEach((expected, i) => {
    expect(Math.abs((counts[i] ?? 0) - expected)).toBeLessThan(120);
  });
});

test('top-k, top-p and min-p leave the likely tokens', async () => {
  const values = logits(5, 3);
  const order = [...values.keys()].toSorted(
    (a, b) => (values[b] as number) - (values[a] as number),
  );
  const exps = order.map((token) => Math.exp(values[token] as number));
  const sum = exps.reduce((a, b) => a + b, 0);
  let mass = 0;
  const nucleus = order.filter((_, i) => {
    const before = mass;
    mass += (exps[i] as number) / sum;
    return before < 0.6;
  });
  const relative = order.filter((_, i) => (exps[i] as number) >= 0.3 * (exps[0] as number));
  for (const [options, kept] of [
    [{ topK: 5 }, order.slice(0, 5)],
    [{ topP: 0.6 }, nucleus],
    [{ minP: 0.3 }, relative],
    [{ topK: 1 }, order.slice(0, 1)],
    [{ topP: 0 }, order.slice(0, 1)],
  ] as [SamplingOptions, number[]][]) {
    await using sampler = await open({ temperature: 1, seed: 1, ...options });
    const seen = new Set<number>();
    for (let i = 0; i < 400; i++) seen.add(await sampler.sample(values));
    expect(kept).toEqual(expect.arrayContaining([...seen]));
    if (kept.length < 12) expect(seen.size).toBe(kept.length);
  }
});

test('penalties push repeated tokens down, within their window', async () => {
  const values = new Float32Array(tokenizer.vocabSize).fill(-10);
  [5, 4, 3].forEach((value, i) => (values[60 + i] = value));
  const next = async (options: SamplingOptions, count: number): Promise<number[]> => {
    await using sampler = await open(options);
    const tokens: number[] = [];
    for (let i = 0; i < count; i++) tokens.push((await sampler.sample(values)) - 60);
    return tokens;
  };
  expect(await next({ repeatPenalty: 2 }, 3)).toEqual([0, 1, 2]);
  expect(await next({ presencePenalty: 1.5 }, 3)).toEqual([0, 1, 0]);
  expect(await next({ frequencyPenalty: 0.6 }, 4)).toEqual([0, 0, 1, 0]);
  expect(await next({ repeatPenalty: 2, penaltyWindow: 1 }, 4)).toEqual([0, 1, 0, 1]);
  expect(await next({ repeatPenalty: 2, penaltyWindow: 0 }, 3)).toEqual([0, 0, 0]);
  // Below 1 it rewards.
  expect(await next({ repeatPenalty: 0.5 }, 3)).toEqual([0, 0, 0]);
});

const manyRules = `root ::= ${Array.from({ length: 90 }, (_, i) => `r${i}`).join(' ')}
${Array.from({ length: 90 }, (_, i) => `r${i} ::= [a-z]{0,50}`).join('\n')}`;

describe('a grammar', () => {
  test.each<[string, string, RegExp]>([
    ['a choice', 'root ::= "yes" | "no"', /^(yes|no)$/],
    ['repetitions', 'root ::= [a-c]{2,4} "-" [0-9]+ "."', /^[a-c]{2,4}-[0-9]+\.$/],
    [
      'rules and groups',
      'root ::= item (", " item){2}\nitem ::= ("x" | "y" "z"?)',
      /^((x|yz?)(, |$)){3}$/,
    ],
    ['characters of many bytes', 'root ::= "é" [一-龥] "😀"', /^é[一-龥]😀$/u],
    ['escapes and comments', '# one\nroot ::= "\\"\\x41\\u0042\\\\\\n" # two\n', /^"AB\\\n$/],
    ['any character', 'root ::= "<" . . ">"', /^<[^]{2,4}>$/],
    [
      'negation',
      'root ::= "\\"" [^"\\x00-\\x1F]{1,3} "\\""'.replace('\\x00', '\\x01'),
      /^"[^"]{1,6}"$/,
    ],
  ])('of %s is followed', async (_name, grammar, pattern) => {
    for (const options of [{}, { temperature: 1, seed: 5 }, { temperature: 2, topP: 0.9 }]) {
      for (let seed = 0; seed < 4; seed++) {
        const { text, ended } = await generate({ grammar, ...options }, 200, seed);
        expect(ended).toBe(true);
        expect(text).toMatch(pattern);
      }
    }
  });

  test('of JSON is followed, in a SentencePiece vocabulary too', async () => {
    const grammar = String.raw`root ::= object
value ::= object | string | number | "true" | "null"
object ::= "{" ( string ":" value ("," string ":" value){0,2} )? "}"
string ::= "\"" [a-z ]{0,5} "\""
number ::= "-"? [1-9] [0-9]{0,2} ("." [0-9]{1,2})?`;
    const path = await vocabularyFile({ kind: 'spm', spacePrefix: true });
    await using spm = await createTokenizer(runtime(), path);
    let complete = 0;
    for (const from of [tokenizer, spm]) {
      for (let seed = 0; seed < 6; seed++) {
        const { text, ended } = await generate(
          { grammar, temperature: 0.5, seed },
          400,
          seed,
          from,
        );
        if (!ended) continue;
        expect(typeof JSON.parse(text)).toBe('object');
        complete++;
      }
    }
    expect(complete).toBeGreaterThan(4);
  });

  test('that is done gives the end token again and again', async () => {
    await using sampler = await open({ grammar: 'root ::= "a"', temperature: 1 });
    const values = logits(1);
    expect(tokenizer.decode([await sampler.sample(values)])).toBe('a');
    for (let i = 0; i < 3; i++) {
      expect(tokenizer.isEndOfGeneration(await sampler.sample(values))).toBe(true);
    }
  });

  test('never takes a control token for its name', async () => {
    const values = new Float32Array(tokenizer.vocabSize).fill(-5);
    const start = tokenizer.bos;
    expect(tokenizer.isSpecial(start)).toBe(true);
    values[start] = 10;
    for (const options of [{}, { temperature: 1 }]) {
      await using sampler = await open({ grammar: 'root ::= .+', ...options });
      expect(tokenizer.isSpecial(await sampler.sample(values))).toBe(false);
    }
  });

  test('that no token can follow is an error, and the sampler stays usable', async () => {
    const path = await vocabularyFile({ kind: 'bpe' }, ({ tokens }) => {
      tokens[tokens.indexOf('Ą')] = 'no';
    });
    await using lacking = await createTokenizer(runtime(), path);
    await using sampler = await open({ grammar: 'root ::= "\\x04"' }, lacking);
    for (let i = 0; i < 2; i++) {
      await expect(sampler.sample(logits(1))).rejects.toThrow(SamplingError);
    }
  });

  test.each<[string, string, RegExp]>([
    ['empty', ' \n', /empty/],
    ['only comments', '# nothing', /no rule "root"/],
    ['without a root', 'start ::= "a"', /no rule "root"/],
    ['with an undefined rule', 'root ::= "a" rest', /"rest" without defining/],
    ['without ::=', 'root = "a"', /line 1, column 6.*"::="/],
    ['with an open string', 'root ::= "a', /ends too early/],
    ['with an open class', 'root ::= [a', /ends too early/],
    ['with an open group', 'root ::= ("a"', /"\)" is expected/],
    ['with a stray bracket', 'root ::= "a" )', /end of the rule/],
    ['with an unknown escape', 'root ::= "\\q"', /escape/],
    ['with a zero character', 'root ::= "\\x00"', /character 0/],
    ['with a raw zero', 'root ::= "a\0"', /character 0/],
    ['repeating nothing', 'root ::= *', /nothing to repeat/],
    ['repeating too often', 'root ::= "a"{3000}', /more than 2000/],
    ['repeating repetitions', 'root ::= ("a"{50}){50}{50}', /more than 2000/],
    ['with braces of no number', 'root ::= "a"{x}', /repetition is/],
    ['that ends before it begins', 'root ::= "a"{5,2}', /ends before/],
    ['with a token', 'root ::= <s>', /tokens/],
    ['left-recursive', 'root ::= root "a" | "a"', /left recursion/],
    ['left-recursive in a circle', 'root ::= a\na ::= b "x"\nb ::= a "y" | "z"', /left recursion/],
    [
      'left-recursive behind what may be empty',
      'root ::= a\na ::= b a "x" | "y"\nb ::= c\nc ::= "z"?',
      /left recursion/,
    ],
    [
      'that never comes to a character',
      'root ::= a\na ::= b a\nb ::= c\nc ::= ""',
      /never comes|left recursion/,
    ],
    ['that only names itself', 'root ::= root', /never comes|left recursion/],
    ['nested too deep', `root ::= ${'('.repeat(300)}"a"${')'.repeat(300)}`, /nested/],
    ['too long', `root ::= "${'a'.repeat(1 << 20)}"`, /characters/],
  ])('%s is refused', async (_name, grammar, message) => {
    await expect(open({ grammar })).rejects.toThrow(SamplingError);
    await expect(open({ grammar })).rejects.toThrow(message);
  });

  test.each([
    ['repeats what may be empty', 'root ::= ("a"?)* "b"'],
    ['repeats groups that may be empty', 'root ::= ([a-z]* " ")* "."'],
    ['names itself at its end', 'root ::= "a" root | "b"'],
    ['runs over lines', 'root ::= a | b\na ::= "x"*\nb ::=\n  "y" |\n  "z"'],
    ['has comments in groups', 'root ::= ("a" | "b" # why\n  | "c")+'],
    ['has a large maximum, which is none', 'root ::= "a"{0,5000}'],
    ['has odd classes', 'root ::= [a-zA-Z_\\-\\]\\\\]+ [-x] [x-]'],
    ['has spaces in braces', 'root ::= "a"{ 2 , 3 }'],
    ['makes many rules', manyRules],
    ['nests deep', `root ::= ${'('.repeat(150)}"a"${')*'.repeat(150)}`],
  ])('that %s is taken', async (_name, grammar) => {
    const { text } = await generate({ grammar, temperature: 1 }, 5);
    expect(typeof text).toBe('string');
  });

  test('of any kind is refused, or used without ending the process', async () => {
    const pieces = [
      'root ::= ',
      'a ::= ',
      'b ::= ',
      '\n',
      '\n',
      ' | ',
      ' ',
      'a',
      'b',
      'root',
      '"x"',
      '"yz"',
      '[a-z]',
      '[^x]',
      '.',
      '(',
      ')',
      '*',
      '+',
      '?',
      '{2}',
      '{0,3}',
      '{1,}',
      '""',
      '"é"',
    ];
    const any = array(constantFrom(...pieces), { maxLength: 25 });
    const counts = { used: 0, refused: 0 };
    const use = async (grammar: string): Promise<void> => {
      try {
        await generate({ grammar, temperature: 1 }, 6);
        counts.used++;
      } catch (error) {
        expect(error).toBeInstanceOf(SamplingError);
        counts.refused++;
      }
    };
    const sound = any.map((parts) => `root ::= a b\na ::= "k" | ${parts.join('')}\nb ::= [0-9]?`);
    const text = any.map((parts) => `root ::= ${parts.join('')}`);
    await assert(asyncProperty(oneof(sound, text, string()), use), { numRuns: 1000 });
    expect(counts.used).toBeGreaterThan(50);
    expect(counts.refused).toBeGreaterThan(50);
  });

  test('check takes time in proportion', () => {
    const rules = Array.from({ length: 2000 }, (_, i) => `r${i} ::= r${i + 1}? "a"`);
    const start = performance.now();
    checkGrammar(`root ::= r0\n${rules.join('\n')}\nr2000 ::= "b"`);
    expect(performance.now() - start).toBeLessThan(5000);
  });
});

describe('refuses', () => {
  test.each<SamplingOptions>([
    { temperature: -1 },
    { temperature: Number.NaN },
    { temperature: Number.POSITIVE_INFINITY },
    { topK: -1 },
    { topK: 1.5 },
    { topP: 1.1 },
    { topP: -0.1 },
    { minP: 2 },
    { repeatPenalty: 0 },
    { repeatPenalty: -1 },
    { frequencyPenalty: Number.NaN },
    { presencePenalty: 1e9 },
    { penaltyWindow: -1 },
    { penaltyWindow: 1e9 },
    { seed: -1 },
    { seed: 2 ** 32 },
    { seed: 0.5 },
    { temperature: '1' as unknown as number },
    { grammar: 5 as unknown as string },
  ])('%j', async (options) => {
    await expect(open(options)).rejects.toThrow(SamplingError);
  });

  test('logits of another size, and logits that are none', async () => {
    for (const options of [{}, { temperature: 1 }, { repeatPenalty: 1.1 }]) {
      await using sampler = await open(options);
      const bad = [
        new Float32Array(3),
        logits(1).fill(Number.NaN, 5, 6),
        logits(1).fill(Number.POSITIVE_INFINITY, 5, 6),
      ];
      for (const values of bad) {
        await expect(sampler.sample(values)).rejects.toThrow(InvalidArgumentError);
      }
      expect(await sampler.sample(logits(1))).toBeLessThan(tokenizer.vocabSize);
    }
    await using greedy = await open();
    await expect(
      greedy.sample(new Float32Array(tokenizer.vocabSize).fill(Number.NEGATIVE_INFINITY)),
    ).rejects.toThrow(InvalidArgumentError);
  });
});

test('masked logits are never taken', async () => {
  const values = new Float32Array(tokenizer.vocabSize).fill(Number.NEGATIVE_INFINITY);
  values[77] = -3;
  for (const options of [
    {},
    { temperature: 5 },
    { temperature: 1, topK: 10, topP: 0.5, minP: 0.1 },
  ]) {
    await using sampler = await open(options);
    for (let i = 0; i < 5; i++) expect(await sampler.sample(values)).toBe(77);
  }
});

test('a very low temperature is greedy', async () => {
  const values = logits(9);
  expect((await generate({ temperature: 1e-30 }, 5)).tokens).toEqual(
    (await generate({}, 5)).tokens,
  );
  await using sampler = await open({ temperature: Number.MIN_VALUE });
  expect(await sampler.sample(values)).toBe(argMax(values));
});

test('calls made at once are answered in order', async () => {
  await using one = await open({ temperature: 1, seed: 4 });
  await using other = await open({ temperature: 1, seed: 4 });
  const all = Array.from({ length: 20 }, (_, i) => logits(i));
  const serial: number[] = [];
  for (const values of all) serial.push(await one.sample(values));
  expect(await Promise.all(all.map((values) => other.sample(values)))).toEqual(serial);
});

test('a large vocabulary is sampled off the event loop, and asked for a grammar in slices', async () => {
  const path = await vocabularyFile({ kind: 'spm', size: 100_000 });
  await using large = await createTokenizer(runtime(), path);
  const values = logits(3, 2, large.vocabSize);
  const options = { temperature: 1, topP: 0.99, seed: 2 };
  await using sampler = await open(options, large);
  await using again = await open(options, large);
  const { llama } = runtime();
  const real = llama.samplerApply;
  const calls = { here: 0, pool: 0 };
  llama.samplerApply = Object.assign(
    (...args: Parameters<typeof real>) => {
      calls.here++;
      return real(...args);
    },
    {
      async: (...args: Parameters<typeof real.async>) => {
        calls.pool++;
        real.async(...args);
      },
    },
  );
  try {
    for (let i = 0; i < 3; i++) {
      expect(await again.sample(values)).toBe(await sampler.sample(values));
    }
    expect(calls).toEqual({ here: 0, pool: 6 });
    // On this thread a turn of the event loop does not come before the result.
    let turned = false;
    setImmediate(() => (turned = true));
    await sampler.sample(values);
    expect(turned).toBe(true);

    calls.here = 0;
    const grammar = 'root ::= "zz" "."';
    expect((await generate({ grammar, temperature: 1 }, 10, 1, large)).text).toBe('zz.');
    // At most 2,048 candidates at once.
    expect(calls.here).toBeGreaterThan(100_000 / 2048);
  } finally {
    llama.samplerApply = real;
  }
});

test('a sampler outlives its tokenizer, and is gone when disposed', async () => {
  const path = await vocabularyFile({ kind: 'bpe' });
  const own = await createTokenizer(runtime(), path);
  const sampler = await open({ grammar: 'root ::= "ab"' }, own);
  const waiting = sampler.sample(logits(1));
  const { vocabSize } = own;
  await waiting;
  await own.dispose();
  expect(await sampler.sample(logits(1, 2, vocabSize))).toBeLessThan(vocabSize);
  await sampler.dispose();
  await sampler.dispose();
  await expect(sampler.sample(logits(1))).rejects.toThrow(DisposedError);
  await expect(createNativeSampler(runtime(), own)).rejects.toThrow(DisposedError);
});
