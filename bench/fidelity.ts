import { createHash } from 'node:crypto';
import { writeFile } from 'node:fs/promises';
import { homedir } from 'node:os';
import { join } from 'node:path';
import { fileLog, folderStore } from '../adapters/fs/index.js';
import { defaultThreads } from '../adapters/ggml/backend.js';
import { loadEngine } from '../adapters/ggml/index.js';
import { resolveModel } from '../adapters/models/index.js';
import { type Cell, memoryLog, runExperiment } from '../lib/evaluate/index.js';
import { InvalidArgumentError, keyScope } from '../lib/index.js';
import { createPromptLayout } from '../lib/prompt.js';
import { type Arm, armsOf, policyNames } from './fidelity/arms.js';
import { readCases } from './fidelity/data.js';
import { joined, PieceEncoder, warmupNames } from './fidelity/encode.js';
import { fidelityGoals } from './fidelity/goals.js';
import { type ArmResult, FidelityLab } from './fidelity/lab.js';
import { neutralText } from './fidelity/neutral.js';
import { type FidelityCase, fidelityCases, type PromptSettings } from './fidelity/prompts.js';
import { fidelityReport, frontPlot, printReport } from './fidelity/report.js';
import { benchWith, emptyOutcome, machine, round } from './harness.js';

/**
 * How far answers from woven prompts are from those of a full prefill of the same prompt, and what that takes: policies
 * under warm-ups at ratios, over questions of a data set. Results are logged as they come; the same command goes on where
 * it was ended.
 */
export const fidelity = benchWith(
  {
    data: { type: 'string', value: 'PATH', help: 'questions: see bench/fidelity/data.ts' },
    policies: {
      type: 'string',
      value: 'A,B',
      default:
        'none,random,boundary,deviation,context,question,dual-stage,shift,hybrid,adaptive,full,floor',
      help: policyNames.join(', '),
    },
    ratios: { type: 'string', value: 'R,…', default: '0.05,0.1,0.15,0.2,0.3', help: 'shares' },
    warmup: {
      type: 'string',
      value: 'X,Y',
      default: 'prefix,document',
      help: warmupNames.join(', '),
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
    answers: { type: 'string', value: 'N', default: '0', help: 'tokens of free-running answers' },
    against: {
      type: 'string',
      value: 'POLICY',
      default: 'hybrid',
      help: 'compared with the others',
    },
    log: { type: 'string', value: 'FILE', help: 'where results are kept and resumed from' },
    svg: { type: 'string', value: 'FILE', help: 'where pictures go: FILE and FILE with -time' },
    markdown: { type: 'boolean', help: 'tables as Markdown' },
    cache: { type: 'string', value: 'DIR', help: 'where KV of passages is kept between runs' },
  },
  async (options, own) => {
    if (own.data === undefined) {
      throw new InvalidArgumentError('Give --data: a file or folder of questions.');
    }
    const model = options.model ?? 'smollm2-135m-instruct';
    const { path } = await resolveModel(model);
    const threads = options.threads ?? defaultThreads();
    const engine = await loadEngine({ model: path, device: options.device, threads });
    const settings = settingsOf(own);
    const freeTokens = numberOf('answers', own.answers, 0);
    const arms = armsOf(
      own.warmup.split(','),
      own.policies.split(','),
      own.ratios.split(',').map((ratio) => numberOf('ratios', ratio, 0)),
    );
    const outcome = emptyOutcome(model);
    const store = folderStore({
      directory: own.cache ?? join(homedir(), '.cache', 'chunkweave', 'bench-fidelity'),
      maxBytes: 20e9,
    });
    try {
      const layout = await createPromptLayout(engine);
      const cases = await fidelityCases(engine, layout, await readCases(own.data), settings);
      if (cases.length === 0) throw new InvalidArgumentError(`${own.data} gives no prompts.`);
      const longest = Math.max(...cases.map(tokensOf));
      const arena = await engine.createArena({ cells: 4 * (longest + layout.prefix.length) });
      const prefix = arena.createSequence();
      await prefix.append(layout.prefix, { logits: 'none' });
      const { tokenizer } = engine;
      const keys = await keyScope({ model: engine.model, tokenizer, prefix: layout.prefix });
      const neutral = layout.passage({ tokens: (await tokenizer.encode(neutralText)).ids });
      const encoder = new PieceEncoder({ engine, prefix, keys, store, neutral });
      const lab = new FidelityLab({ engine, arena, prefix, encoder, freeTokens });
      const prompts = hashOf(cases);
      options.log(`${cases.length} prompts (${prompts}), ${arms.length} arms`);
      const { cells, failed } = await runExperiment<FidelityCase, PreparedOf, ArmResult>(
        {
          about: {
            bench: 'fidelity',
            model: engine.model.fingerprint,
            prompts,
            freeTokens,
            threads,
          },
          cases,
          idOf: ({ id }) => id,
          arms: arms.map((arm) => ({ ...arm })),
          prepare: (item) => lab.prepare(item),
          run: (prepared, arm, item) => lab.run(prepared, arm as unknown as Arm, item),
        },
        {
          log: own.log === undefined ? memoryLog() : fileLog(own.log),
          onProgress: ({ done, total, leftMs }) => {
            if (done % arms.length > 0) return;
            const left = leftMs === undefined ? '' : `, ${Math.ceil(leftMs / 60_000)} min left`;
            options.log(`${done} of ${total}${left}`);
          },
        },
      );
      for (const { case: id, arm, problem } of failed) {
        outcome.skipped.push(`case ${id}, ${JSON.stringify(arm)}: ${problem}`);
      }
      await tell(cells, own, options.log);
      const data = own.data.split('/').at(-1) ?? own.data;
      const title = `${model}, ${data}, ${cases.length} prompts ${prompts}; ${machine()}`;
      await draw(cells, own, title);
      Object.assign(outcome, fidelityGoals(cells, own.against));
      outcome.figures['prompts'] = cases.length;
      outcome.figures['promptTokens'] = round(
        cases.reduce((sum, item) => sum + tokensOf(item), 0) / cases.length,
      );
    } finally {
      await store.close();
      await engine.dispose();
    }
    return outcome;
  },
);

type PreparedOf = Awaited<ReturnType<FidelityLab['prepare']>>;

interface Own {
  readonly limit: string;
  readonly seed: string;
  readonly half: string;
  readonly pieces: string;
  readonly 'piece-tokens': string;
  readonly 'answer-tokens': string;
}

function settingsOf(own: Own): PromptSettings {
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

function numberOf(name: string, text: string, least: number): number {
  const value = Number(text);
  if (text.trim() !== '' && value >= least && Number.isFinite(value)) return value;
  throw new InvalidArgumentError(`--${name} is "${text}"; give a number of at least ${least}.`);
}

function tokensOf({ pieces, ask, answer }: FidelityCase): number {
  return pieces.reduce((sum, { tokens }) => sum + tokens.length, ask.length + answer.length);
}

/** Names the prompts: equal hashes, equal token ids. */
function hashOf(cases: readonly FidelityCase[]): string {
  const hash = createHash('sha256');
  for (const { pieces, ask, answer } of cases) {
    hash.update(joined([...pieces.map(({ tokens }) => tokens), ask, answer]));
  }
  return hash.digest('hex').slice(0, 12);
}

async function tell(
  cells: readonly Cell<ArmResult>[],
  own: { readonly against: string; readonly markdown: boolean },
  log: (line: string) => void,
): Promise<void> {
  log(printReport(reportOf(cells, own.against), { format: own.markdown ? 'markdown' : 'text' }));
}

function reportOf(cells: readonly Cell<ArmResult>[], against: string) {
  const known = cells.some(({ arm }) => (arm as unknown as Arm).policy === against);
  return fidelityReport(cells, known ? { against } : {});
}

async function draw(
  cells: readonly Cell<ArmResult>[],
  { svg, against }: { readonly svg: string | undefined; readonly against: string },
  title: string,
): Promise<void> {
  if (svg === undefined) return;
  const report = reportOf(cells, against);
  await writeFile(svg, frontPlot(report, 'share', title));
  await writeFile(svg.replace(/(\.svg)?$/, '-time.svg'), frontPlot(report, 'time', title));
}
