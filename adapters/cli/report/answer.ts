import type { Answer, Source } from '../../../lib/index.js';
import { counted, formatCount, formatTime } from './format.js';

/** `[1] guide.md:12  Install > Linux` for each source. */
export function sourceLines(sources: readonly Source[]): string[] {
  return sources.map((source) => {
    const headings = source.metadata?.['headings'];
    const under = Array.isArray(headings) && headings.length > 0 ? `  ${headings.join(' › ')}` : '';
    return `[${source.number}] ${placeOf(source)}${under}${source.cached ? '' : '  (new)'}`;
  });
}

/** File and lines, as editors and terminals make them clickable, or the page. */
export function placeOf(source: Source): string {
  const { line, page, record } = source.metadata ?? {};
  if (typeof record === 'number') {
    return `${source.documentId}${typeof line === 'number' ? `, line ${line}` : ''}`;
  }
  if (typeof line !== 'number' && typeof page === 'number') {
    return `${source.documentId}, page ${page}`;
  }
  if (typeof line !== 'number') return `${source.title} [${source.start}-${source.end})`;
  const last = line + (source.text.trimEnd().match(/\n/g)?.length ?? 0);
  return `${source.documentId}:${line}${last > line ? `-${last}` : ''}`;
}

/** One line on what was reused. `msPerToken` gives the estimate of a full prefill. */
export function reuseLine(answer: Answer, msPerToken: number | undefined): string {
  const { usage, timings } = answer;
  const first = formatTime(timings.firstToken);
  const computed = usage.recomputed + usage.fresh;
  const parts =
    `${formatCount(usage.prompt)} prompt tokens: ${formatCount(usage.cached)} cached, ` +
    `${formatCount(usage.recomputed)} recomputed, ${formatCount(usage.fresh)} new`;
  const line = `First token after ${first}. ${parts}.`;
  if (answer.reuse === 'full' || msPerToken === undefined || computed >= usage.prompt) return line;
  const full = msPerToken * usage.prompt;
  const ratio = full / timings.firstToken;
  return ratio < 1.05
    ? line
    : `${line} About ${ratio.toFixed(1)} times sooner than computing all of it (estimated ${formatTime(full)}; --compare measures).`;
}

export function comparisonLine(woven: Answer, full: Answer, speedup: number): string {
  return (
    `First token: woven after ${formatTime(woven.timings.firstToken)}, by full prefill after ` +
    `${formatTime(full.timings.firstToken)}: ${speedup.toFixed(1)} times sooner. ` +
    `Of ${counted(woven.usage.prompt, 'prompt token')}, ${formatCount(woven.usage.cached)} came from the cache, ` +
    `${formatCount(woven.usage.recomputed)} were recomputed and ${formatCount(woven.usage.fresh)} were new.`
  );
}

/** The answer as plain data: typed arrays become arrays. */
export function answerToJson(answer: Answer): unknown {
  const { plan, ...rest } = answer;
  return {
    ...rest,
    ...(plan && {
      plan: {
        ...plan,
        passages: plan.passages.map((passage) => ({
          ...passage,
          tokens: Array.from(passage.tokens),
        })),
      },
    }),
  };
}
