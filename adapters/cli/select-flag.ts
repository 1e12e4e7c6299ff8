import { type AskDefaults, cacheAwareSelector } from '../../lib/index.js';
import { UsageError } from './usage-error.js';

export const selectFlag = { select: { type: 'string' } } as const;

/**
 * How passages are picked among the candidates. By `cache`, the default, as many milliseconds as the best would take are
 * spent on those worth most for what they add, which are more passages where they are cached.
 * @throws UsageError for a name that is none
 */
export function selectChoice(name = 'cache'): Pick<AskDefaults, 'selector' | 'budget'> {
  if (name === 'cache') return { selector: cacheAwareSelector(), budget: { share: 1 } };
  if (name === 'top-k') return { selector: 'top-k' };
  throw new UsageError(`--select is "${name}"; give cache or top-k.`);
}
