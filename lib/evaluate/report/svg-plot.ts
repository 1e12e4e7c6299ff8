import type { Interval } from '../statistics/bootstrap.js';
import { paretoFront } from './pareto.js';
import { type PlotAxis, type Scale, scaleOf } from './scale.js';
import { type Mark, markAt, markOf } from './svg-marks.js';
import { coordinate, escapeXml } from './svg-text.js';

export interface PlotPoint {
  /** With an interval, a bar shows it. */
  readonly x: number | Interval;
  readonly y: number | Interval;
  /** Shown by viewers when the pointer rests on it. */
  readonly label?: string;
}

export interface PlotSeries {
  readonly name: string;
  /** In the order in which a line joins them. */
  readonly points: readonly PlotPoint[];
  /** Default true. */
  readonly line?: boolean;
}

/** A horizontal line with a name, for what does not depend on x. */
export interface PlotLevel {
  readonly name: string;
  readonly y: number;
}

export interface SvgPlotOptions {
  readonly title?: string;
  readonly x: PlotAxis;
  readonly y: PlotAxis;
  readonly series: readonly PlotSeries[];
  /** Lines across the whole width, for example a floor that nothing gets below. */
  readonly levels?: readonly PlotLevel[];
  /** Draws which points no other one beats in both directions, less being better; default false. */
  readonly front?: boolean;
  /** Pixels of the area between the axes; default 620 by 400. */
  readonly width?: number;
  readonly height?: number;
}

interface Dot {
  readonly x: number;
  readonly y: number;
  readonly point: PlotPoint;
}

const font = 'font-family="system-ui, Helvetica, Arial, DejaVu Sans, sans-serif"';
const ink = '#1a1a1a';
const pale = '#e4e4e4';
const frontColour = '#8a8a8a';

/**
 * Points, lines and intervals over two axes with a legend: a whole SVG document on a white ground of its own. What lies
 * beyond the ends of an axis is cut off.
 * @throws InvalidArgumentError for values that an axis cannot show
 */
export function svgPlot(options: SvgPlotOptions): string {
  const { title = '', series, levels = [], front = false } = options;
  const { width = 620, height = 400 } = options;
  const points = series.flatMap((one) => one.points);
  const xScale = scaleOf(
    options.x,
    points.map(({ x }) => valueOf(x)),
    points.flatMap(({ x }) => boundsOf(x)),
  );
  const yScale = scaleOf(
    options.y,
    [...points.map(({ y }) => valueOf(y)), ...levels.map(({ y }) => y)],
    points.flatMap(({ y }) => boundsOf(y)),
  );
  const area = new Area(xScale, yScale, width, height);
  const left = 40 + widthOf(yScale.ticks.map(({ label }) => label));
  const top = title === '' ? 18 : 44;
  const legend = legendOf(series, levels, front);
  const total = {
    width: left + width + 28 + legend.width,
    height: top + Math.max(height + 56, legend.height + 16),
  };

  const dots = series.map((one) => one.points.map((point) => area.dot(point)));
  const inside = [
    ...levels.map((level) => area.level(level)),
    ...(front ? [area.front(points)] : []),
    ...series.map((one, i) =>
      one.line === false ? '' : polyline(dots[i] as Dot[], markOf(i).colour),
    ),
    ...dots.flatMap((list, i) => list.map(({ point }) => area.bars(point, markOf(i).colour))),
    ...dots.flatMap((list, i) =>
      list.map((dot) => markOfDot(dot, markOf(i), series[i] as PlotSeries)),
    ),
  ];
  const name = escapeXml(title === '' ? `${options.y.label} against ${options.x.label}` : title);
  return [
    `<svg xmlns="http://www.w3.org/2000/svg" role="img" width="${coordinate(total.width)}" height="${coordinate(total.height)}" viewBox="0 0 ${coordinate(total.width)} ${coordinate(total.height)}" ${font} font-size="12" fill="${ink}">`,
    `<title>${name}</title>`,
    '<rect width="100%" height="100%" fill="#ffffff"/>',
    ...(title === '' ? [] : [text(title, left, 26, 'font-size="15" font-weight="600"')]),
    `<g transform="translate(${coordinate(left)} ${top})">`,
    ...area.axes(options.x.label, options.y.label, left),
    // A viewport of its own cuts off what lies outside, and needs no id that another picture on the page may have.
    `<svg width="${coordinate(width)}" height="${coordinate(height)}" overflow="hidden">`,
    ...inside.filter((part) => part !== ''),
    '</svg>',
    `<rect width="${coordinate(width)}" height="${coordinate(height)}" fill="none" stroke="#5f5f5f"/>`,
    `<g transform="translate(${coordinate(width + 22)} 8)">`,
    ...legend.parts,
    '</g>',
    '</g>',
    '</svg>',
    '',
  ].join('\n');
}

/** The rectangle between the axes, in pixels from its upper left corner. */
class Area {
  readonly #x: Scale;
  readonly #y: Scale;
  readonly #width: number;
  readonly #height: number;

  constructor(x: Scale, y: Scale, width: number, height: number) {
    this.#x = x;
    this.#y = y;
    this.#width = width;
    this.#height = height;
  }

  dot(point: PlotPoint): Dot {
    return { x: this.#across(valueOf(point.x)), y: this.#down(valueOf(point.y)), point };
  }

  axes(xLabel: string, yLabel: string, left: number): string[] {
    const [width, height] = [this.#width, this.#height];
    return [
      ...this.#x.ticks.flatMap(({ at, label }) => {
        const x = coordinate(at * width);
        return [
          `<path d="M${x} 0V${coordinate(height)}" stroke="${pale}"/>`,
          text(label, at * width, height + 18, 'text-anchor="middle"'),
        ];
      }),
      ...this.#y.ticks.flatMap(({ at, label }) => {
        const y = (1 - at) * height;
        return [
          `<path d="M0 ${coordinate(y)}H${coordinate(width)}" stroke="${pale}"/>`,
          text(label, -8, y + 4, 'text-anchor="end"'),
        ];
      }),
      text(xLabel, width / 2, height + 42, 'text-anchor="middle" font-size="13"'),
      `<g transform="translate(${coordinate(20 - left)} ${coordinate(height / 2)}) rotate(-90)">${text(yLabel, 0, 0, 'text-anchor="middle" font-size="13"')}</g>`,
    ];
  }

  level({ y }: PlotLevel): string {
    const at = coordinate(this.#down(y));
    return `<path d="M0 ${at}H${coordinate(this.#width)}" stroke="${ink}" stroke-dasharray="2 4"/>`;
  }

  /** Down at each point of the front, level up to the next one, and on to the right end. */
  front(points: readonly PlotPoint[]): string {
    const front = paretoFront(points.map(({ x, y }) => ({ x: valueOf(x), y: valueOf(y) })));
    const [first, ...others] = front.map(({ x, y }) => [this.#across(x), this.#down(y)] as const);
    if (!first) return '';
    const steps = others.map(([x, y]) => `H${coordinate(x)}V${coordinate(y)}`).join('');
    return `<path d="M${coordinate(first[0])} ${coordinate(first[1])}${steps}H${coordinate(this.#width)}" fill="none" stroke="${frontColour}" stroke-width="5" stroke-opacity="0.35"/>`;
  }

  /** Intervals of a point, with caps. */
  bars({ x, y }: PlotPoint, colour: string): string {
    const [across, down] = [this.#across(valueOf(x)), this.#down(valueOf(y))];
    const paths: string[] = [];
    if (typeof y === 'object') {
      const [high, low] = [this.#down(y.high), this.#down(y.low)].map((at) => coordinate(at));
      const [a, b, middle] = [across - 3, across + 3, across].map((at) => coordinate(at));
      paths.push(`M${a} ${high}H${b}M${middle} ${high}V${low}M${a} ${low}H${b}`);
    }
    if (typeof x === 'object') {
      const [low, high] = [this.#across(x.low), this.#across(x.high)].map((at) => coordinate(at));
      const [a, b, middle] = [down - 3, down + 3, down].map((at) => coordinate(at));
      paths.push(`M${low} ${a}V${b}M${low} ${middle}H${high}M${high} ${a}V${b}`);
    }
    if (paths.length === 0) return '';
    return `<path d="${paths.join('')}" fill="none" stroke="${colour}" stroke-opacity="0.6"/>`;
  }

  #across(value: number): number {
    return within(this.#x.place(value)) * this.#width;
  }

  #down(value: number): number {
    return (1 - within(this.#y.place(value))) * this.#height;
  }
}

/** Far enough outside to be cut off, near enough to be written. */
function within(place: number): number {
  return Math.min(100, Math.max(-100, place));
}

function polyline(dots: readonly Dot[], colour: string): string {
  if (dots.length < 2) return '';
  const list = dots.map(({ x, y }) => `${coordinate(x)},${coordinate(y)}`).join(' ');
  return `<polyline points="${list}" fill="none" stroke="${colour}" stroke-width="1.6"/>`;
}

function markOfDot({ x, y, point }: Dot, mark: Mark, { name }: PlotSeries): string {
  const numbers = [point.x, point.y].map((value) => Number(valueOf(value).toPrecision(4)));
  const title = [name, ...(point.label === undefined ? [] : [point.label]), ...numbers].join(', ');
  return markAt(mark, x, y, escapeXml(title));
}

function legendOf(
  series: readonly PlotSeries[],
  levels: readonly PlotLevel[],
  front: boolean,
): { readonly width: number; readonly height: number; readonly parts: readonly string[] } {
  const entries = [
    ...series.map(({ name, line }, i) => {
      const mark = markOf(i);
      const stroke = `<path d="M0 0H22" stroke="${mark.colour}" stroke-width="1.6"/>`;
      return { name, sign: `${line === false ? '' : stroke}${markAt(mark, 11, 0)}` };
    }),
    ...(front
      ? [
          {
            name: 'Pareto front',
            sign: `<path d="M0 0H22" stroke="${frontColour}" stroke-width="5" stroke-opacity="0.35"/>`,
          },
        ]
      : []),
    ...levels.map(({ name }) => ({
      name,
      sign: `<path d="M0 0H22" stroke="${ink}" stroke-dasharray="2 4"/>`,
    })),
  ];
  const parts = entries.map(
    ({ name, sign }, i) => `<g transform="translate(0 ${i * 20})">${sign}${text(name, 30, 4)}</g>`,
  );
  const width = entries.length === 0 ? 0 : 40 + widthOf(entries.map(({ name }) => name));
  return { width, height: entries.length * 20, parts };
}

/** Pixels that the longest of some texts takes, about: no font is at hand to measure it. */
function widthOf(texts: readonly string[]): number {
  return Math.max(0, ...texts.map((one) => [...one].length)) * 7;
}

function text(content: string, x: number, y: number, attributes = ''): string {
  const place = `x="${coordinate(x)}" y="${coordinate(y)}"`;
  return `<text ${place}${attributes === '' ? '' : ` ${attributes}`}>${escapeXml(content)}</text>`;
}

function valueOf(number: number | Interval): number {
  return typeof number === 'number' ? number : number.value;
}

function boundsOf(number: number | Interval): number[] {
  return typeof number === 'number' ? [] : [number.low, number.high];
}
