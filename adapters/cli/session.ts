import { join } from 'node:path';
import {
  type AnswerEvent,
  type AskDefaults,
  type ChunkStore,
  createWeave,
  type IngestProgress,
  memoryStore,
  hybridPolicy,
  type Retriever,
  type StoreListener,
  type TieredStore,
  tieredStore,
  type Warmup,
  type Weave,
} from '../../lib/index.js';
import { type FolderStore, folderStore, type FolderStoreOptions } from '../fs/index.js';
import type { GgmlEngine } from '../ggml/engine.js';
import { cacheFolder } from '../models/index.js';
import type { Io } from './command.js';
import { share, wholeNumber } from './flags.js';
import { counted, formatBytes, formatCount, formatTime } from './report/format.js';
import type { Terminal } from './report/terminal.js';
import { costsFile, loadCosts, saveCosts } from './saved-costs.js';
import { selectChoice, selectFlag } from './select-flag.js';
import { UsageError } from './usage-error.js';

/** What the user's folder of chunk KV may hold unless CHUNKWEAVE_KV_BYTES says otherwise. */
const defaultKvBytes = 4 * 2 ** 30;

/** Chunk KV in the user's cache folder. @throws UsageError for a bound that is none. */
export function openFolderStore(
  { env, cwd }: Pick<Io, 'env' | 'cwd'>,
  options: Partial<FolderStoreOptions> = {},
): FolderStore {
  const text = env['CHUNKWEAVE_KV_BYTES'];
  const maxBytes = text === undefined ? defaultKvBytes : Number(text);
  if (!Number.isSafeInteger(maxBytes) || maxBytes < 1) {
    throw new UsageError(`CHUNKWEAVE_KV_BYTES is "${text}"; give a whole number of bytes.`);
  }
  return folderStore({ directory: join(cacheFolder(env, cwd), 'kv'), maxBytes, ...options });
}

/** Chunk KV, and what loading and computing it takes here. */
export interface SessionStore extends TieredStore {
  /** Keeps what was measured for the next run, then closes as any store does. */
  close(): Promise<void>;
}

/**
 * Chunk KV in memory, and in the user's cache folder for the next run. Its cost model is that of the weave as well, and
 * knows what earlier runs with this model on this device have measured.
 */
export function openStore(
  io: Io,
  { model, device }: Pick<GgmlEngine, 'model' | 'device'>,
  terminal: Terminal,
): SessionStore {
  const path = costsFile(cacheFolder(io.env, io.cwd), model, device.name);
  const note = (problem: string) => terminal.note(problem);
  const costs = loadCosts(path, note);
  let isSaid = false;
  const onEvent: StoreListener = (event) => {
    if (event.type !== 'corrupt' || isSaid) return;
    isSaid = true;
    note(
      `A passage's keys and values on disk are damaged (${event.problem}). Such records are put aside and made anew; chunkweave store verify looks at all.`,
    );
  };
  const store = tieredStore(
    [
      { store: memoryStore(), name: 'memory' },
      { store: openFolderStore(io, { onEvent }), name: 'disk' },
    ],
    {
      costs,
    },
  );
  const close = store.close.bind(store);
  store.close = () => {
    saveCosts(path, costs, note);
    return close();
  };
  return store;
}

/** What is kept, of how much may be, in a few words. */
export async function describeStore(store: ChunkStore): Promise<string> {
  const { tiers = [] } = await store.stats();
  const disk = tiers.at(-1);
  if (!disk) return '';
  return `Chunk KV on disk: ${formatBytes(disk.bytes)} of at most ${formatBytes(disk.maxBytes)}.`;
}

export const askFlags = {
  ...selectFlag,
  'top-k': { type: 'string' },
  recompute: { type: 'string' },
  'max-tokens': { type: 'string' },
} as const;

/** Without it small models often say one sentence over and over. */
const repeatPenalty = 1.1;

/** What `--top-k`, `--recompute` and `--max-tokens` ask for. @throws UsageError */
export function askDefaults(values: Partial<Record<keyof typeof askFlags, string>>): AskDefaults {
  const topK = wholeNumber('top-k', values['top-k'], 1);
  const ratio = share('recompute', values.recompute);
  const maxTokens = wholeNumber('max-tokens', values['max-tokens'], 1);
  return {
    ...selectChoice(values.select),
    sampling: { repeatPenalty },
    ...(topK !== undefined && { topK }),
    ...(ratio !== undefined && { policy: hybridPolicy({ budget: { ratio } }) }),
    ...(maxTokens !== undefined && { maxTokens }),
  };
}

export interface SessionParts {
  readonly engine: GgmlEngine;
  readonly store: TieredStore;
  readonly retriever: Retriever;
  readonly warmup: Warmup;
  readonly defaults?: AskDefaults;
}

export function openWeave({ defaults, ...parts }: SessionParts): Promise<Weave> {
  return createWeave({ ...parts, costs: parts.store.costs, ...defaults });
}

/** Shows how an answer comes about: what new passages will take before they are made, and what goes on. */
export function answerReporter(terminal: Terminal): (event: AnswerEvent) => void {
  let announced = false;
  return (event) => {
    switch (event.type) {
      case 'retrieved':
        terminal.status('Weaving the prompt');
        return;
      case 'encoding': {
        const { done, total, bytes, milliseconds } = event;
        if (!announced) {
          announced = true;
          const time = milliseconds === undefined ? '' : `, about ${formatTime(milliseconds)}`;
          terminal.note(
            `Making keys and values of new passages: ${counted(total, 'token')} (${formatBytes(bytes)}${time}).`,
          );
        }
        terminal.progress(
          'Prefilling',
          done / Math.max(1, total),
          `${formatCount(done)} of ${counted(total, 'token')}`,
        );
        return;
      }
      default:
    }
  };
}

/** Prints what making chunk KV will take before it starts, and a bar while it goes on. */
export function ingestReporter(terminal: Terminal): (progress: IngestProgress) => void {
  let announced = false;
  return (progress) => {
    switch (progress.phase) {
      case 'index':
        return;
      case 'estimate': {
        // A budget that lasts longer than expected is planned anew.
        if (announced) return;
        announced = true;
        const { planned, all } = progress;
        const time =
          planned.milliseconds === undefined ? '' : `, about ${formatTime(planned.milliseconds)}`;
        const rest = all.chunks - planned.chunks;
        const later =
          rest > 0
            ? `; ${counted(rest, 'other')} (${formatBytes(all.bytes - planned.bytes)}) when first used`
            : '';
        terminal.line(
          planned.chunks === 0
            ? `Keys and values of ${counted(all.chunks, 'passage')} (${formatBytes(all.bytes)}) will be made when first used.`
            : `Making keys and values of ${counted(planned.chunks, 'passage')} (${formatBytes(planned.bytes)}${time})${later}.`,
        );
        return;
      }
      case 'encode':
        terminal.progress(
          'Prefilling',
          progress.share,
          `${counted(progress.chunks, 'passage')}, ${formatBytes(progress.bytes)}`,
        );
    }
  };
}
