import { createHash } from 'node:crypto';
import { homedir } from 'node:os';
import { join } from 'node:path';
import { folderStore } from '../../adapters/fs/index.js';
import { defaultThreads } from '../../adapters/ggml/backend.js';
import { loadEngine } from '../../adapters/ggml/index.js';
import { resolveModel } from '../../adapters/models/index.js';
import { InvalidArgumentError, keyScope, type KvArena, type KvEngine } from '../../lib/index.js';
import { createPromptLayout, type PassageLayout } from '../../lib/prompt.js';
import type { BenchOptions, OwnOptions, OwnValues } from '../harness.js';
import { readCases } from './data.js';
import { joined, PieceEncoder } from './encode.js';
import { FidelityLab } from './lab.js';
import { neutralText } from './neutral.js';
import { numberOf } from './number-of.js';
import { type FidelityCase, fidelityCases, type PromptSettings } from './prompts.js';

/** Options of every bench that asks questions of a data set. */
export const promptOptions = {
  data: { type: 'string', value: 'PATH', help: 'questions: see bench/fidelity/data.ts' },
  sections: {
    type: 'string',
    default: 'joined',
    help: 'of data that has sections of pages: joined (a page is a document) or apart',
  },
  limit: { type: 'string', value: 'N', default: '20', help: 'questions' },
  seed: {
    type: 'string',
    value: 'S',
    default: '1',
    help: 'picks questions, and orders passages',
  },
  half: { type: 'string', default: 'held-out', help: 'search, held-out or all' },
  pieces: { type: 'string', value: 'N', default: '8', help: 'passages of a prompt' },
  'piece-tokens': { type: 'string', value: 'N', default: '150', help: 'tokens of a passage' },
  'answer-tokens': { type: 'string', value: 'N', default: '24', help: 'of the right answer' },
  log: { type: 'string', value: 'FILE', help: 'where results are kept and resumed from' },
  markdown: { type: 'boolean', help: 'tables as Markdown' },
  cache: { type: 'string', value: 'DIR', help: 'where KV of passages is kept between runs' },
} as const satisfies OwnOptions;

/** A model with a prompt for each question, and what compares ways of answering them. */
export interface FidelitySetUp extends AsyncDisposable {
  readonly engine: KvEngine;
  readonly arena: KvArena;
  readonly lab: FidelityLab;
  readonly cases: readonly FidelityCase[];
  /** Names all prompts together: equal hashes, equal token ids. */
  readonly prompts: string;
  /** Names one case by its number and its prompt: a log that more questions are added to stays good. */
  readonly idOf: (item: FidelityCase) => string;
  /** The model as it was asked for, and the file of data. */
  readonly model: string;
  readonly data: string;
  readonly threads: number;
}

export interface SetUpOptions {
  /** Tokens of free-running answers; default 0, none. */
  readonly freeTokens?: number;
  /** Pairs of passages whose order is asked for; default 0, none. */
  readonly sortPairs?: number;
  /** How passages and question stand; default `sequence`. */
  readonly layout?: PassageLayout;
}

/** @throws InvalidArgumentError for options that cannot be, or data that gives no prompts */
export async function setUpFidelity(
  options: BenchOptions,
  own: OwnValues<typeof promptOptions>,
  { freeTokens = 0, sortPairs = 0, layout: places = 'sequence' }: SetUpOptions = {},
): Promise<FidelitySetUp> {
  if (own.data === undefined) {
    throw new InvalidArgumentError('Give --data: a file or folder of questions.');
  }
  const settings = settingsOf(own);
  const questions = await readCases(own.data, { sections: sectionsOf(own.sections) });
  const model = options.model ?? 'smollm2-135m-instruct';
  const { path } = await resolveModel(model);
  const threads = options.threads ?? defaultThreads();
  const engine = await loadEngine({ model: path, device: options.device, threads });
  const store = folderStore({
    directory: own.cache ?? join(homedir(), '.cache', 'chunkweave', 'bench-fidelity'),
    maxBytes: 20e9,
  });
  const close = async (): Promise<void> => {
    await store.close();
    await engine.dispose();
  };
  try {
    const layout = await createPromptLayout(engine);
    const plain = await createPromptLayout(engine, { question: (text) => text });
    const cases = await fidelityCases(engine, layout, questions, {
      ...settings,
      ...(sortPairs > 0 && { sort: { pairs: sortPairs, layout: plain } }),
    });
    if (cases.length === 0) throw new InvalidArgumentError(`${own.data} gives no prompts.`);
    const longest = Math.max(...cases.map((item) => tokensOf(item) + item.earlier.length));
    // What the layout "twice" takes more of: passages and question.
    const copies = places === 'twice' ? 2 : 1;
    const arena = await engine.createArena({
      cells: 4 * copies * (longest + layout.prefix.length),
    });
    const prefix = arena.createSequence();
    await prefix.append(layout.prefix, { logits: 'none' });
    const { model: info, tokenizer } = engine;
    const neutral = layout.passage({ tokens: (await tokenizer.encode(neutralText)).ids });
    const encoder = new PieceEncoder({
      engine,
      prefix,
      keys: await keyScope({ model: info, tokenizer, prefix: layout.prefix }),
      store,
      neutral,
      async shortened(count) {
        assertHead(count, layout.prefix.length);
        const tokens = layout.prefix.slice(0, count);
        const head = arena.createSequence();
        await head.append(tokens, { logits: 'none' });
        const keys = await keyScope({ model: info, tokenizer, prefix: tokens });
        return { engine, prefix: head, keys, store, neutral };
      },
    });
    return {
      engine,
      arena,
      lab: new FidelityLab({ engine, arena, prefix, encoder, freeTokens, layout: places }),
      cases,
      prompts: hashOf(cases),
      idOf: (item) => `${item.id}.${hashOf([item])}`,
      model,
      data: own.data.split('/').at(-1) ?? own.data,
      threads,
      [Symbol.asyncDispose]: close,
    };
  } catch (error) {
    await close();
    throw error;
  }
}

function assertHead(tokens: number, prefix: number): void {
  if (tokens >= 1 && tokens <= prefix) return;
  throw new InvalidArgumentError(
    `--warmup X@${tokens}: the prefix has ${prefix} tokens; give 1 to ${prefix} of them.`,
  );
}

function sectionsOf(sections: string): 'joined' | 'apart' {
  if (sections === 'joined' || sections === 'apart') return sections;
  throw new InvalidArgumentError(`--sections is ${sections}; give joined or apart.`);
}

function settingsOf(own: OwnValues<typeof promptOptions>): PromptSettings {
  const { half } = own;
  if (half !== 'search' && half !== 'held-out' && half !== 'all') {
    throw new InvalidArgumentError(`--half is ${half}; give search, held-out or all.`);
  }
  return {
    half,
    limit: numberOf('limit', own.limit, 1),
    seed: numberOf('seed', own.seed, 0),
    pieces: numberOf('pieces', own.pieces, 1),
    pieceTokens: numberOf('piece-tokens', own['piece-tokens'], 8),
    answerTokens: numberOf('answer-tokens', own['answer-tokens'], 1),
  };
}

export function tokensOf({ pieces, ask, answer }: FidelityCase): number {
  return pieces.reduce((sum, { tokens }) => sum + tokens.length, ask.length + answer.length);
}

function hashOf(cases: readonly FidelityCase[]): string {
  const hash = createHash('sha256');
  for (const { pieces, ask, answer } of cases) {
    hash.update(joined([...pieces.map(({ tokens }) => tokens), ask, answer]));
  }
  return hash.digest('hex').slice(0, 12);
}
