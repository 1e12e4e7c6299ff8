import { createHash } from 'node:crypto';
import { appendFileSync, mkdirSync, readFileSync } from 'node:fs';
import { dirname, join } from 'node:path';
import { cacheFolder } from '../../adapters/models/cache-folder.js';
import type { GenerateRequest, GenerateResult, LanguageModel } from '../../lib/index.js';

/** What a model was asked for, whether it answered now or in an earlier run. */
export interface Asked {
  readonly calls: number;
  readonly promptTokens: number;
  readonly generatedTokens: number;
  /** That its answers took when they were given. */
  readonly milliseconds: number;
}

/** A model whose answers are kept. */
export interface KeptModel extends LanguageModel {
  /** Since it was made. */
  readonly asked: Asked;
}

interface Kept {
  readonly key: string;
  readonly result: GenerateResult;
  readonly milliseconds: number;
}

/** Where answers of a model are kept: in the folder for what can be made again. */
export function answersPath(fingerprint: string): string {
  const name = createHash('sha256').update(fingerprint).digest('hex').slice(0, 24);
  return join(cacheFolder(), 'bench', `${name}.answers.jsonl`);
}

/**
 * Asks each question once, over all runs: the same request to the same model has the same answer. Chunkers keep boundaries by
 * their own settings; most of what they ask is the same for all sizes, so the answers are kept here. What a broken run left of
 * a line at the end is not read.
 *
 * @param fingerprint of the model's file: with another, the same request has another answer
 */
export function keepAnswers(model: LanguageModel, fingerprint: string, path: string): KeptModel {
  const asked = { calls: 0, promptTokens: 0, generatedTokens: 0, milliseconds: 0 };
  let known: Map<string, Kept> | undefined;
  return {
    name: model.name,
    get asked() {
      return { ...asked };
    },
    async generate({ signal, ...request }) {
      known ??= read(path);
      const key = keyOf(fingerprint, request);
      let kept = known.get(key);
      if (!kept) {
        const start = performance.now();
        const result = await model.generate({ ...request, ...(signal && { signal }) });
        kept = { key, result, milliseconds: Math.round(performance.now() - start) };
        known.set(key, kept);
        appendFileSync(path, `${JSON.stringify(kept)}\n`);
      }
      const { usage } = kept.result;
      asked.calls++;
      asked.promptTokens += usage.promptTokens;
      asked.generatedTokens += usage.generatedTokens;
      asked.milliseconds += kept.milliseconds;
      return kept.result;
    },
  };
}

function keyOf(fingerprint: string, request: Omit<GenerateRequest, 'signal'>): string {
  const sorted = Object.entries(request).sort(([a], [b]) => (a < b ? -1 : 1));
  return createHash('sha256')
    .update(JSON.stringify([fingerprint, sorted]))
    .digest('hex')
    .slice(0, 32);
}

function read(path: string): Map<string, Kept> {
  mkdirSync(dirname(path), { recursive: true });
  const known = new Map<string, Kept>();
  const text = textOf(path);
  const lines = text.split('\n');
  // The last one is empty, or what a broken run left; what is written next begins on a line of its own.
  if (lines.pop() !== '') appendFileSync(path, '\n');
  for (const line of lines) {
    const kept = parsed(line);
    if (kept) known.set(kept.key, kept);
  }
  return known;
}

function parsed(line: string): Kept | undefined {
  try {
    const kept = JSON.parse(line) as Kept;
    return typeof kept.key === 'string' && kept.result ? kept : undefined;
  } catch {
    return undefined;
  }
}

function textOf(path: string): string {
  try {
    return readFileSync(path, 'utf8');
  } catch (error) {
    if ((error as NodeJS.ErrnoException).code === 'ENOENT') return '';
    throw error;
  }
}
