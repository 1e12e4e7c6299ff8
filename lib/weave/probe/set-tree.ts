import type { Chunk } from '../../document.js';

/** A chunk behind those of its parents. */
export interface SetNode {
  readonly chunk: Chunk;
  readonly parent: SetNode | undefined;
  readonly tokens: number;
}

/** Sets that are computed together, and the nodes that hold them. */
export interface SetBatch {
  /** Parents before their children. */
  readonly nodes: readonly SetNode[];
  /** A place in the tree and the numbers of the sets that are it; the root, undefined, is the empty set. */
  readonly ends: readonly {
    readonly node: SetNode | undefined;
    readonly sets: readonly number[];
  }[];
  /** Tokens of the nodes, and of the question behind each end. */
  readonly cells: number;
}

export interface SetTreeOptions {
  /** As it stands in prompts. */
  readonly tokensOf: (chunk: Chunk) => number;
  /** Tokens that are computed behind each set. */
  readonly askTokens: number;
  /** Most cells of a batch; a set that needs more is one of its own. */
  readonly mostCells: number;
  /** Most rows of a batch. */
  readonly mostRows: number;
}

/**
 * Puts sets into a tree, in which sets that begin alike share their first nodes, and cuts it into batches that fit. Sets that are
 * equal are computed once.
 */
export function planSets(sets: readonly (readonly Chunk[])[], options: SetTreeOptions): SetBatch[] {
  const root = growTree(sets, options);
  const batches: SetBatch[] = [];
  let nodes = new Set<SetNode>();
  let ends: { node: SetNode | undefined; sets: readonly number[] }[] = [];
  let cells = 0;
  const close = (): void => {
    if (ends.length > 0) batches.push({ nodes: [...nodes], ends, cells });
    nodes = new Set();
    ends = [];
    cells = 0;
  };
  for (const { node, sets: numbers } of endsOf(root)) {
    const path = pathTo(node);
    const more = () =>
      path.reduce((sum, each) => (nodes.has(each) ? sum : sum + each.tokens), options.askTokens);
    const rows = (ends.length + 1) * options.askTokens;
    if (cells + more() > options.mostCells || rows > options.mostRows) close();
    cells += more();
    for (const each of path) nodes.add(each);
    ends.push({ node, sets: numbers });
  }
  close();
  return batches;
}

interface Grown {
  readonly node: SetNode | undefined;
  readonly sets: number[];
  readonly children: Map<string, Grown>;
}

function growTree(sets: readonly (readonly Chunk[])[], { tokensOf }: SetTreeOptions): Grown {
  const root: Grown = { node: undefined, sets: [], children: new Map() };
  for (const [number, set] of sets.entries()) {
    let at = root;
    for (const chunk of set) {
      let next = at.children.get(chunk.id);
      if (!next) {
        const node = { chunk, parent: at.node, tokens: tokensOf(chunk) };
        next = { node, sets: [], children: new Map() };
        at.children.set(chunk.id, next);
      }
      at = next;
    }
    at.sets.push(number);
  }
  return root;
}

/** Depth first, so that those who share nodes follow each other. Sets can be longer than a stack is deep. */
function* endsOf(root: Grown): Generator<Grown> {
  const open = [root];
  for (let at = open.pop(); at; at = open.pop()) {
    if (at.sets.length > 0) yield at;
    for (const child of [...at.children.values()].toReversed()) open.push(child);
  }
}

/** From the first node to a place in the tree. */
export function pathTo(end: SetNode | undefined): SetNode[] {
  const path: SetNode[] = [];
  for (let node = end; node; node = node.parent) path.push(node);
  return path.toReversed();
}
