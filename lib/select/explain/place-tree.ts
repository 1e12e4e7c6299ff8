import type { SearchNode } from '../selector.js';

export interface PlacedNode {
  readonly node: SearchNode;
  readonly parent: PlacedNode | undefined;
  /** Edges from the root. */
  readonly depth: number;
  /** From 0: leaves have one of their own each, what has children stands beside its first. */
  readonly row: number;
}

/** Places a tree's nodes, parents before their children. */
export function placeTree(root: SearchNode): {
  readonly nodes: readonly PlacedNode[];
  readonly rows: number;
  readonly depth: number;
} {
  const nodes: PlacedNode[] = [];
  let rows = 0;
  let deepest = 0;
  // Not by recursion: a tree may be deeper than the stack.
  const open: { node: SearchNode; parent: PlacedNode | undefined; isFirst: boolean }[] = [
    { node: root, parent: undefined, isFirst: true },
  ];
  for (let at = open.pop(); at; at = open.pop()) {
    const { node, parent, isFirst } = at;
    const row = isFirst ? (parent?.row ?? 0) : rows;
    rows = Math.max(rows, row + 1);
    const placed = { node, parent, depth: parent ? parent.depth + 1 : 0, row };
    deepest = Math.max(deepest, placed.depth);
    nodes.push(placed);
    for (let i = node.children.length - 1; i >= 0; i--) {
      open.push({ node: node.children[i] as SearchNode, parent: placed, isFirst: i === 0 });
    }
  }
  return { nodes, rows, depth: deepest };
}
