import { coordinate } from './svg-text.js';

/** Distinct also for colour-blind eyes (Okabe and Ito), yellow left out: it cannot be seen on white. */
const colours = [
  '#0072b2',
  '#d55e00',
  '#009e73',
  '#cc79a7',
  '#e69f00',
  '#56b4e9',
  '#000000',
  '#7f7f7f',
];

/** Outlines around (0, 0), of about the same weight. */
const outlines = [
  'M-4 0a4 4 0 1 0 8 0a4 4 0 1 0 -8 0Z',
  'M-3.6 -3.6H3.6V3.6H-3.6Z',
  'M0 -4.8L4.6 3.6H-4.6Z',
  'M0 -5L5 0L0 5L-5 0Z',
  'M0 4.8L4.6 -3.6H-4.6Z',
  'M-1.6 -4.6H1.6V-1.6H4.6V1.6H1.6V4.6H-1.6V1.6H-4.6V-1.6H-1.6Z',
  'M0 -5L1.5 -1.6L5 -1.5L2.3 0.8L3.2 4.3L0 2.3L-3.2 4.3L-2.3 0.8L-5 -1.5L-1.5 -1.6Z',
];

/** How a series looks: colour and shape both differ, so that either one is enough. */
export interface Mark {
  readonly colour: string;
  /** A path around (0, 0). */
  readonly outline: string;
}

export function markOf(series: number): Mark {
  return {
    colour: colours[series % colours.length] as string,
    outline: outlines[series % outlines.length] as string,
  };
}

export function markAt({ colour, outline }: Mark, x: number, y: number, title = ''): string {
  const place = `translate(${coordinate(x)} ${coordinate(y)})`;
  const inside = title === '' ? '' : `<title>${title}</title>`;
  return `<path d="${outline}" transform="${place}" fill="${colour}" stroke="#ffffff" stroke-width="0.8">${inside}</path>`;
}
