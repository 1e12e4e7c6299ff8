import { expect, test } from '@jest/globals';
import * as fc from 'fast-check';
import { Parser } from 'htmlparser2';
import { InvalidArgumentError } from '../../../../lib/index.js';
import { type PlotSeries, svgPlot, type SvgPlotOptions } from '../../../../lib/evaluate/index.js';

interface Element {
  readonly name: string;
  readonly attributes: Readonly<Record<string, string>>;
  readonly text: string;
}

/** All elements, in document order of their ends; fails where tags are not closed in the order of opening. */
function parse(xml: string): Element[] {
  const elements: Element[] = [];
  const open: { name: string; attributes: Record<string, string>; text: string }[] = [];
  const roots: string[] = [];
  const parser = new Parser(
    {
      onopentag(name, attributes) {
        if (open.length === 0) roots.push(name);
        open.push({ name, attributes, text: '' });
      },
      ontext(text) {
        const top = open.at(-1);
        if (top) top.text += text;
        else expect(text.trim()).toBe('');
      },
      onclosetag(name, isImplied) {
        const top = open.pop();
        expect({ name, isImplied }).toEqual({ name: top?.name, isImplied: false });
        if (top) elements.push(top);
      },
      oncomment: () => expect('no comments').toBe(''),
      onprocessinginstruction: () => expect('no instructions').toBe(''),
    },
    { xmlMode: true },
  );
  // `<x/>` would count as closed by implication.
  parser.end(xml.replaceAll(/<(\w+)([^<>]*)\/>/gu, '<$1$2></$1>'));
  expect(open).toEqual([]);
  expect(roots).toEqual(['svg']);
  // What XML asks beyond tags: each ampersand begins a reference, attributes are quoted and there once.
  expect(xml.replaceAll(/&#\d+;/gu, '')).not.toContain('&');
  for (const [tag] of xml.matchAll(/<[^/][^>]*>/gu)) {
    const names = [...tag.matchAll(/ ([\w-]+|xmlns)="[^"<]*"/gu)].map(([, name]) => name);
    expect(tag.replaceAll(/ [\w:-]+="[^"<]*"/gu, '')).toMatch(/^<\w+\/?>$/u);
    expect(new Set(names).size).toBe(names.length);
  }
  return elements;
}

const axes = { x: { label: 'share' }, y: { label: 'KL' } } as const;

function plot(series: readonly PlotSeries[], options: Partial<SvgPlotOptions> = {}): Element[] {
  return parse(svgPlot({ ...axes, series, width: 100, height: 100, ...options }));
}

function marks(elements: readonly Element[]): { x: number; y: number; fill: string }[] {
  return elements
    .filter(({ name, attributes }) => name === 'path' && attributes['fill']?.startsWith('#'))
    .map(({ attributes }) => {
      const [, x, y] = /^translate\((\S+) (\S+)\)$/u.exec(attributes['transform'] ?? '') ?? [];
      return { x: Number(x), y: Number(y), fill: attributes['fill']! };
    });
}

test('points lie where their values say, linear and logarithmic', () => {
  const series = [
    {
      name: 'a',
      points: [
        { x: 0.25, y: 1 },
        { x: 0.5, y: 10 },
        { x: 1, y: 100 },
      ],
    },
  ];
  const elements = plot(series, {
    x: { label: 'x', from: 0, to: 1 },
    y: { label: 'y', scale: 'log', from: 1, to: 100 },
  });
  expect(marks(elements).slice(0, 3)).toEqual([
    { x: 25, y: 100, fill: '#0072b2' },
    { x: 50, y: 50, fill: '#0072b2' },
    { x: 100, y: 0, fill: '#0072b2' },
  ]);
  const line = elements.find(({ name }) => name === 'polyline');
  expect(line?.attributes['points']).toBe('25,100 50,50 100,0');
});

test('intervals are drawn from end to end', () => {
  const points = [{ x: { value: 0.5, low: 0.4, high: 0.7 }, y: { value: 5, low: 2, high: 6 } }];
  const elements = plot([{ name: 'a', points }], {
    x: { label: 'x', from: 0, to: 1 },
    y: { label: 'y', from: 0, to: 10 },
  });
  const paths = elements.map(({ attributes }) => attributes['d'] ?? '');
  expect(paths).toContain('M47 40H53M50 40V80M47 80H53M40 47V53M40 50H70M70 47V53');
});

test('the front goes level to the next point and down there', () => {
  const points = [
    { x: 0.2, y: 8 },
    { x: 0.4, y: 9 },
    { x: 0.6, y: 3 },
  ];
  const elements = plot([{ name: 'a', points }], {
    x: { label: 'x', from: 0, to: 1 },
    y: { label: 'y', from: 0, to: 10 },
    front: true,
  });
  const paths = elements.map(({ attributes }) => attributes['d'] ?? '');
  expect(paths).toContain('M20 20H60V70H100');
  expect(elements.some(({ text }) => text === 'Pareto front')).toBe(true);
});

test('series differ in colour and shape together, however many they are', () => {
  const series = Array.from({ length: 40 }, (_, i) => ({
    name: `s${i}`,
    points: [{ x: i, y: i }],
  }));
  const elements = plot(series);
  const looks = elements
    .filter(({ name, attributes }) => name === 'path' && attributes['fill']?.startsWith('#'))
    .map(({ attributes }) => `${attributes['fill']} ${attributes['d']}`);
  expect(new Set(looks).size).toBe(40);
  // Each once in the plot and once in the legend, which the picture is high enough for.
  expect(looks).toHaveLength(80);
  expect(Number(elements.at(-1)?.attributes['height'])).toBeGreaterThan(40 * 20);
});

/** What XML 1.0 can hold of a text. */
function shown(text: string): string {
  const holds = /^[\t\n\r\u0020-\uD7FF\uE000-\uFFFD\u{10000}-\u{10FFFF}]$/u;
  return [...text].map((character) => (holds.test(character) ? character : '\uFFFD')).join('');
}

test('texts come out as they went in, whatever they hold', () => {
  const word = fc.string({ unit: 'binary', maxLength: 12 });
  fc.assert(
    fc.property(word, word, word, word, (title, label, name, about) => {
      const options = { title: `t${title}`, x: { label: `x${label}` }, y: { label: 'y' } };
      const points = [{ x: 1, y: 2, label: about }];
      const elements = parse(svgPlot({ ...options, series: [{ name: `n${name}`, points }] }));
      const texts = elements.map(({ text }) => text);
      expect(texts.filter((text) => text === shown(`t${title}`)).length).toBeGreaterThanOrEqual(2);
      expect(texts).toContain(shown(`x${label}`));
      expect(texts).toContain(shown(`n${name}`));
      expect(texts).toContain(shown(`n${name}, ${about}, 1, 2`));
    }),
    { numRuns: 200 },
  );
});

test('any finite points give a picture with all of them inside', () => {
  const number = fc.double({ min: -1e9, max: 1e9, noNaN: true });
  const series = fc.array(
    fc.record({
      name: fc.string(),
      points: fc.array(fc.record({ x: number, y: number }), { maxLength: 5 }),
    }),
    { maxLength: 4 },
  );
  fc.assert(
    fc.property(series, (list) => {
      const elements = plot(list, { front: true });
      const total = list.reduce((sum, { points }) => sum + points.length, 0);
      const drawn = marks(elements);
      expect(drawn).toHaveLength(total + list.length);
      for (const { x, y } of drawn.slice(0, total)) {
        expect(x).toBeGreaterThanOrEqual(0);
        expect(x).toBeLessThanOrEqual(100);
        expect(y).toBeGreaterThanOrEqual(0);
        expect(y).toBeLessThanOrEqual(100);
      }
      expect(elements.map(({ attributes }) => Object.values(attributes).join()).join()).not.toMatch(
        /NaN|Infinity|undefined/u,
      );
    }),
  );
});

test.each([
  { points: [{ x: NaN, y: 1 }] },
  { points: [{ x: 1, y: Infinity }] },
  { points: [{ x: 1, y: 0 }], y: { label: 'y', scale: 'log' } as const },
  { points: [{ x: 1, y: 1 }], y: { label: 'y', from: 2, to: 2 } },
  { points: [{ x: 1, y: 1 }], y: { label: 'y', scale: 'log', from: 0 } as const },
])('what an axis cannot show is refused (%#)', ({ points, y }) => {
  expect(() => plot([{ name: 'a', points }], y ? { y } : {})).toThrow(InvalidArgumentError);
});
