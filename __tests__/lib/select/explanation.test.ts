import { Parser } from 'htmlparser2';
import { expect, test } from '@jest/globals';
import {
  coragSelector,
  describeSelection,
  greedySelector,
  InvalidArgumentError,
  type SearchNode,
  type Selection,
  selectionTreeSvg,
  topKSelector,
} from '../../../lib/index.js';
import { candidate, request, valueOfIds } from './support.js';

const candidates = [
  candidate('a <&> "b"', 40, 3),
  candidate('c', 30, 2),
  candidate('d', 200, 1),
  candidate('e', 30, 0.5),
];
const value = valueOfIds(
  (ids) => (ids.includes('c') ? 2 : 0) + (ids.includes('e') ? -1 : 0) + ids.length / 10,
);

test('a selection tells what is in, what is out, and why', async () => {
  const text = describeSelection(
    await greedySelector({ by: 'value' }).select(request(candidates, { value })),
  );
  const lines = text.split('\n');
  expect(lines[0]).toBe('2 of 4 chunks for a cost of 70, worth 2.2, after 7 sets judged');
  expect(lines[1]).toContain(
    '1. a <&> "b" (40): in the best of 7 sets that were judged, worth 2.2; without it 2.1',
  );
  expect(lines[2]).toContain(
    '2. c (30): in the best of 7 sets that were judged, worth 2.2; without it 0.1',
  );
  expect(lines[3]).toBe('  out: d (200): too dear: it costs 200 of a budget of 100');
  expect(lines[4]).toContain('out: e (30): with it the chosen set would be worth 1.3 and not 2.2');
});

test('an empty selection and one cut short say so', async () => {
  const nothing = await topKSelector().select(request(candidates, { budget: 1 }));
  expect(describeSelection(nothing)).toContain('nothing is in');
  const late = await coragSelector().select(request(candidates, { deadlineMs: 0 }));
  expect(describeSelection(late)).toContain('the deadline cut the search short');
  expect(describeSelection(late)).toContain('no set was judged in time');
});

/** Names of the elements, checking that each is closed in its turn. */
function elementsOf(svg: string): string[] {
  const open: string[] = [];
  const all: string[] = [];
  const parser = new Parser(
    {
      onopentag: (name) => all.push(name) && open.push(name),
      onclosetag: (name, isImplied) => {
        expect([open.pop(), isImplied && !/^(path|rect|circle)$/.test(name)]).toEqual([
          name,
          false,
        ]);
      },
    },
    { xmlMode: true },
  );
  parser.end(svg);
  expect(open).toEqual([]);
  return all;
}

function sizeOf({ children }: SearchNode): number {
  return 1 + children.reduce((sum, child) => sum + sizeOf(child), 0);
}

test('the tree is drawn with a dot for each node, up to a number', async () => {
  const selection = await coragSelector().select(request(candidates, { value }));
  const size = sizeOf(selection.tree as SearchNode);
  expect(size).toBeGreaterThan(2);
  const svg = selectionTreeSvg(selection);
  expect(elementsOf(svg).filter((name) => name === 'circle').length).toBe(size);
  expect(svg).not.toContain('<&>');
  const small = selectionTreeSvg(selection, { maxNodes: 2, title: 'Two & no more' });
  expect(elementsOf(small).filter((name) => name === 'circle').length).toBe(2);
  expect(small).toContain(`${size - 2} nodes left out`);
  expect(selectionTreeSvg(selection)).toBe(svg);
});

test('a tree of one node can be drawn; none cannot', async () => {
  const late: Selection = await coragSelector().select(request(candidates, { deadlineMs: 0 }));
  expect(elementsOf(selectionTreeSvg(late)).filter((name) => name === 'circle').length).toBe(1);
  const none = await topKSelector().select(request(candidates));
  expect(() => selectionTreeSvg(none)).toThrow(InvalidArgumentError);
});
