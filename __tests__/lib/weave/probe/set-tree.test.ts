import { expect, test } from '@jest/globals';
import * as fc from 'fast-check';
import { planSets, type SetNode } from '../../../../lib/weave/probe/set-tree.js';
import { chunkOf } from '../../select/stand-ins.js';

const askTokens = 10;

const pathOf = (end: SetNode | undefined): string[] => {
  const path: string[] = [];
  for (let node = end; node; node = node.parent) path.unshift(node.chunk.id);
  return path;
};

test('every set is an end of one batch, whose nodes hold it, and batches fit', () => {
  const sizes = fc.array(fc.integer({ min: 1, max: 60 }), { minLength: 6, maxLength: 6 });
  const picks = fc.array(fc.uniqueArray(fc.nat(5), { maxLength: 5 }), { maxLength: 12 });
  fc.assert(
    fc.property(sizes, picks, fc.integer({ min: 10, max: 200 }), (tokens, sets, mostCells) => {
      const chunks = tokens.map((_, i) => chunkOf(`${i}`));
      const batches = planSets(
        sets.map((set) => set.map((i) => chunks[i]!)),
        { tokensOf: ({ id }) => tokens[Number(id)]!, askTokens, mostCells, mostRows: 40 },
      );
      const told = batches.flatMap(({ ends }) => ends.flatMap((end) => end.sets));
      expect(told.toSorted((a, b) => a - b)).toEqual([...sets.keys()]);
      for (const { nodes, ends, cells } of batches) {
        expect(new Set(nodes).size).toBe(nodes.length);
        const held = nodes.reduce((sum, node) => sum + node.tokens, 0);
        expect(cells).toBe(held + ends.length * askTokens);
        if (ends.length > 1) {
          expect(cells).toBeLessThanOrEqual(mostCells);
          expect(ends.length * askTokens).toBeLessThanOrEqual(40);
        }
        for (const [i, { parent }] of nodes.entries()) {
          if (parent) expect(nodes.indexOf(parent)).toBeLessThan(i);
          if (parent) expect(nodes.indexOf(parent)).toBeGreaterThanOrEqual(0);
        }
        // Sets that begin alike share nodes within a batch.
        expect(new Set(nodes.map((node) => pathOf(node).join())).size).toBe(nodes.length);
        for (const { node, sets: numbers } of ends) {
          for (const number of numbers) expect(pathOf(node)).toEqual(sets[number]!.map(String));
        }
      }
    }),
  );
});

test('a set is not as deep as a stack', () => {
  const set = Array.from({ length: 30_000 }, (_, i) => chunkOf(`${i}`));
  const options = { tokensOf: () => 1, askTokens, mostCells: 1e6, mostRows: 512 };
  expect(planSets([set], options)[0]!.nodes).toHaveLength(30_000);
});
