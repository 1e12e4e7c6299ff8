import { type ParseArgsConfig, parseArgs } from 'node:util';
import type { Warmup } from '../../lib/index.js';
import { UsageError } from './usage-error.js';

export type Flags = NonNullable<ParseArgsConfig['options']>;

/** Flags that all commands with a model share. */
export const modelFlags = {
  model: { type: 'string' },
  device: { type: 'string' },
  threads: { type: 'string' },
} as const satisfies Flags;

/** Flag of all commands that search. */
export const embedderFlag = { embedder: { type: 'string' } } as const satisfies Flags;

/** Flag of all commands that make keys and values of passages. */
export const warmupFlag = { warmup: { type: 'string' } } as const satisfies Flags;

/** @throws UsageError for flags that are unknown or lack their value. */
export function parseFlags<const T extends Flags>(
  args: readonly string[],
  options: T,
): ReturnType<typeof parseArgs<{ options: T; allowPositionals: true; strict: true }>> {
  try {
    return parseArgs({ args: [...args], options, allowPositionals: true, strict: true });
  } catch (error) {
    throw new UsageError((error as Error).message);
  }
}

/** @throws UsageError unless `text` is a whole number from `low` on. */
export function wholeNumber(
  name: string,
  text: string | undefined,
  low: number,
): number | undefined {
  if (text === undefined) return undefined;
  const value = Number(text);
  if (text.trim() === '' || !Number.isSafeInteger(value) || value < low) {
    throw new UsageError(`--${name} is "${text}"; give a whole number of at least ${low}.`);
  }
  return value;
}

/** `0.15` or `15%`. @throws UsageError outside 0 to 1. */
export function share(name: string, text: string | undefined): number | undefined {
  if (text === undefined) return undefined;
  const percent = text.endsWith('%');
  const digits = percent ? text.slice(0, -1) : text;
  const value = Number(digits) / (percent ? 100 : 1);
  if (digits.trim() === '' || !(value >= 0 && value <= 1)) {
    throw new UsageError(`--${name} is "${text}"; give a share from 0 to 1, or from 0% to 100%.`);
  }
  return value;
}

const devices = ['auto', 'cpu', 'vulkan', 'cuda', 'metal'] as const;

export function deviceChoice(text: string | undefined): (typeof devices)[number] {
  const device = devices.find((name) => name === (text ?? 'auto').toLowerCase());
  if (!device) throw new UsageError(`--device is "${text}"; give one of ${devices.join(', ')}.`);
  return device;
}

/** An alias, path or other source; undefined for `none`. @throws UsageError */
export function embedderChoice(text: string): string | undefined {
  if (text.trim() === '') {
    throw new UsageError('--embedder is empty; give an alias, a path, or none.');
  }
  return text === 'none' ? undefined : text;
}

const warmups: Readonly<Record<string, Warmup>> = {
  prefix: 'prefix',
  document: 'document',
  neighbours: { neighbours: 2 },
  mean: { neighbours: 2, preceding: 256, join: 'mean' },
};

/** What passages are encoded after. @throws UsageError for anything else. */
export function warmupChoice(text = 'prefix'): Warmup {
  const warmup = Object.hasOwn(warmups, text) ? warmups[text] : undefined;
  if (warmup) return warmup;
  const names = Object.keys(warmups).join(', ');
  throw new UsageError(`--warmup is "${text}"; give one of ${names}.`);
}
