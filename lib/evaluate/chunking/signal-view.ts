import type { ChunkViewColumn } from './chunk-view.js';

/** A number along a text: losses of sentences, for example. */
export interface TextSignal {
  readonly name: string;
  /** By place, in UTF-16 units; a value that is none breaks the line. */
  readonly points: readonly { readonly at: number; readonly value: number }[];
}

const width = 1000;
const plotHeight = 70;
const rowHeight = 14;

/**
 * What chunkers go by, plotted along a text of this many UTF-16 units, each signal from its lowest to its highest value,
 * and below where each chunker begins a chunk. Empty without a signal.
 */
export function signalView(
  length: number,
  signals: readonly TextSignal[],
  columns: readonly ChunkViewColumn[],
): string {
  if (signals.length === 0 || length === 0) return '';
  const x = (at: number): string => ((width * at) / length).toFixed(1);
  const plots = signals.map(({ name, points }, i) => {
    const shown = points.filter(({ at }) => at < length);
    const values = shown.map(({ value }) => value).filter((value) => Number.isFinite(value));
    const low = values.reduce((a, b) => Math.min(a, b), Infinity);
    const high = values.reduce((a, b) => Math.max(a, b), -Infinity);
    const top = i * (plotHeight + 2 * rowHeight) + rowHeight;
    const y = (value: number): string =>
      (top + plotHeight - (plotHeight * (value - low)) / (high - low || 1)).toFixed(1);
    let line = '';
    let isOpen = false;
    for (const { at, value } of shown) {
      if (Number.isFinite(value)) line += `${isOpen ? 'L' : 'M'}${x(at)} ${y(value)}`;
      isOpen = Number.isFinite(value);
    }
    const said =
      values.length > 0
        ? `${escapeHtml(name)}: ${low.toFixed(2)} to ${high.toFixed(2)}`
        : 'no values';
    return (
      `<text x="0" y="${top - 3}">${said}</text>` +
      `<path d="${line}" fill="none" stroke="#356" stroke-width="1"/>`
    );
  });
  const below = signals.length * (plotHeight + 2 * rowHeight) + rowHeight;
  const rows = columns.map(({ name, chunks }, i) => {
    const y = below + 2 * i * rowHeight;
    const ticks = chunks.map(({ start }) => `M${x(start)} ${y + 2}v${rowHeight - 4}`).join('');
    return (
      `<text x="0" y="${y}">${escapeHtml(name)}</text>` +
      `<path d="${ticks}" stroke="#b30" stroke-width="1.5"/>`
    );
  });
  const height = below + 2 * columns.length * rowHeight;
  return (
    `<svg class="signals" viewBox="0 -2 ${width} ${height}" role="img" ` +
    'font-family="system-ui, sans-serif" font-size="11" style="width: 100%">' +
    `${[...plots, ...rows].join('\n')}</svg>`
  );
}

function escapeHtml(text: string): string {
  return text.replaceAll('&', '&amp;').replaceAll('<', '&lt;').replaceAll('>', '&gt;');
}
