import { expect, test } from '@jest/globals';
import * as fc from 'fast-check';
import { parseDocument } from 'htmlparser2';
import {
  type CandidateDecision,
  describeSelectionPlan,
  type SearchNode,
  type SelectionPlan,
  selectionPlanSvg,
} from '../../../../lib/index.js';
import { placeTree } from '../../../../lib/select/explain/place-tree.js';

const candidate = (rank: number, more: Partial<CandidateDecision> = {}): CandidateDecision => ({
  chunkId: `chunk-${rank}`,
  chosen: false,
  reason: 'it adds too little',
  cost: 100,
  rank,
  documentId: 'd',
  title: 'A <title> & "more"',
  score: 1,
  tokens: 100,
  ...more,
});

const node = (chunkId: string | undefined, children: readonly SearchNode[] = []): SearchNode => ({
  ...(chunkId !== undefined && { chunkId }),
  cost: 100,
  value: 0.5,
  visits: 2,
  children,
});

const plan: SelectionPlan = {
  question: 'Who <script>alert(1)</script> & why?',
  selector: 'greedy',
  valuedBy: 'query-likelihood',
  value: 0.25,
  unit: 'tokens',
  budget: 300,
  cost: 200,
  tokens: 200,
  expectedMs: 42,
  evaluations: 5,
  stopped: 'done',
  milliseconds: 1,
  candidates: [
    candidate(1, { chosen: true, place: 1, cached: { tier: 'memory', loadMs: 1 } }),
    candidate(2),
    candidate(3, { chosen: true, place: 2 }),
  ],
  tree: node(undefined, [
    node('chunk-1', [node('chunk-2'), node('chunk-3')]),
    node('chunk-2', [node('chunk-3')]),
  ]),
};

const names = (svg: string): string[] => {
  const found: string[] = [];
  const open = [...parseDocument(svg, { xmlMode: true }).children];
  for (let at = open.pop(); at; at = open.pop()) {
    if (!('name' in at)) continue;
    found.push(String(at.name));
    if ('children' in at) open.push(...at.children);
  }
  return found;
};

test('a picture has a bar for each candidate and a mark for each set, and holds no foreign tag', () => {
  const svg = selectionPlanSvg(plan);
  const tags = names(svg);
  expect(tags).not.toContain('script');
  expect(tags.filter((name) => name === 'circle')).toHaveLength(6);
  // The background is one as well.
  expect(tags.filter((name) => name === 'rect')).toHaveLength(1 + plan.candidates.length);
  const { tree: _, ...bare } = plan;
  expect(names(selectionPlanSvg(bare))).not.toContain('circle');
});

test('only sets of chosen chunks are on the way', () => {
  const bold = selectionPlanSvg(plan).match(/stroke-width="2\.5/g) ?? [];
  // chunk-1, and chunk-3 behind it; not chunk-3 behind chunk-2.
  expect(bold).toHaveLength(2);
});

test('no two nodes of a tree share a place', () => {
  fc.assert(
    fc.property(fc.array(fc.nat(), { maxLength: 40 }), (parents) => {
      const all: { children: SearchNode[]; node: SearchNode }[] = [];
      const grow = (): (typeof all)[0] => {
        const children: SearchNode[] = [];
        const grown = { children, node: node('x', children) };
        all.push(grown);
        return grown;
      };
      const tree = grow().node;
      for (const parent of parents) {
        const { children } = all[parent % all.length]!;
        children.push(grow().node);
      }
      const { nodes, rows } = placeTree(tree);
      const places = new Set(nodes.map(({ depth, row }) => `${depth} ${row}`));
      expect(places.size).toBe(nodes.length);
      expect(Math.max(...nodes.map(({ row }) => row))).toBe(rows - 1);
      for (const { parent, depth, row } of nodes) {
        if (!parent) continue;
        expect(depth).toBe(parent.depth + 1);
        expect(row).toBeGreaterThanOrEqual(parent.row);
      }
    }),
  );
  let deep = node('x');
  for (let i = 0; i < 20_000; i++) deep = node('x', [deep]);
  expect(placeTree(deep).depth).toBe(20_000);
});

test('lines tell of the whole and of each candidate', () => {
  const text = describeSelectionPlan(plan);
  expect(text).toContain('greedy chose 2 of 3 candidates: 200 of 300 tokens.');
  expect(text).toContain('worth 0.250 by query-likelihood; 5 sets looked at');
  expect(text).toContain('1. in 1: chunk-1: 100 tokens, cached (memory): it adds too little');
  expect(text).toContain('2. out: chunk-2: 100 tokens, not cached: it adds too little');
});
