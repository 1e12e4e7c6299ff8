import { coordinate, escapeXml } from '../evaluate/report/svg-text.js';
import { InvalidArgumentError } from '../errors.js';
import { assertWhole, number } from './numbers.js';
import type { SearchNode, Selection } from './selector.js';

export interface SelectionTreeSvgOptions {
  /** Default `Sets that were looked at`. */
  readonly title?: string;
  /** Most nodes that are drawn, those that were visited most; the picture says how many are left out. Default 80. */
  readonly maxNodes?: number;
}

interface Placed {
  readonly node: SearchNode;
  readonly depth: number;
  readonly parent: Placed | undefined;
  readonly children: Placed[];
  /** All chunks on the way here are chosen. */
  readonly isChosen: boolean;
  row: number;
}

const columnWidth = 190;
const rowHeight = 24;
const font = 'font-family="system-ui, Helvetica, Arial, DejaVu Sans, sans-serif"';

/**
 * The explored tree as an SVG document: the root at the left, a chunk added with each step to the right, dots the larger
 * the more often a node was visited and the darker the more its best set is worth, the chosen chunks in orange. Each
 * dot tells its numbers where the pointer rests.
 *
 * @throws InvalidArgumentError for a selection without a tree, or a `maxNodes` that is no whole number of at least 1
 */
export function selectionTreeSvg(
  selection: Selection,
  options: SelectionTreeSvgOptions = {},
): string {
  const { title = 'Sets that were looked at', maxNodes = 80 } = options;
  assertWhole('selectionTreeSvg: maxNodes', maxNodes);
  const { tree } = selection;
  if (!tree) {
    throw new InvalidArgumentError(
      'selectionTreeSvg: the selection has no tree. Take it from a selector that searches one.',
    );
  }
  const chosen = new Set(selection.chunks.map(({ chunk }) => chunk.id));
  const { root, left } = place(tree, chosen, maxNodes);
  const all = flatten(root);
  const rows = Math.max(1, ...all.map(({ row }) => row + 1));
  const depth = Math.max(...all.map((one) => one.depth));
  const width = 60 + (depth + 1) * columnWidth;
  const height = 70 + rows * rowHeight + 26;
  const worths = all.flatMap(({ node }) => (node.best === undefined ? [] : [node.best]));
  const scale = { low: Math.min(...worths), high: Math.max(...worths) };
  const edges = all.flatMap((one) => (one.parent ? [edgeOf(one.parent, one)] : []));
  const footer =
    `${selection.evaluations} sets judged; orange: chosen; darker: more worth; larger: visited more` +
    (left === 0 ? '' : `; ${left} nodes left out`);
  return [
    `<svg xmlns="http://www.w3.org/2000/svg" role="img" width="${width}" height="${height}" viewBox="0 0 ${width} ${height}" ${font} font-size="12" fill="#1a1a1a">`,
    `<title>${escapeXml(title)}</title>`,
    '<rect width="100%" height="100%" fill="#ffffff"/>',
    `<text x="24" y="28" font-size="15" font-weight="600">${escapeXml(title)}</text>`,
    ...edges,
    ...all.map((one) => dotOf(one, scale)),
    `<text x="24" y="${height - 14}" fill="#5f5f5f">${escapeXml(footer)}</text>`,
    '</svg>',
    '',
  ].join('\n');
}

/** Nodes in the order of their visits, so that whoever is drawn has a parent that is. */
function place(
  tree: SearchNode,
  chosen: ReadonlySet<string>,
  maxNodes: number,
): { readonly root: Placed; readonly left: number } {
  const root: Placed = {
    node: tree,
    depth: 0,
    parent: undefined,
    children: [],
    isChosen: true,
    row: 0,
  };
  const waiting: Placed[] = [];
  const wait = (parent: Placed): void => {
    for (const node of parent.node.children) {
      const isChosen = parent.isChosen && node.chunkId !== undefined && chosen.has(node.chunkId);
      waiting.push({ node, depth: parent.depth + 1, parent, children: [], isChosen, row: 0 });
    }
  };
  wait(root);
  let drawn = 1;
  while (drawn < maxNodes && waiting.length > 0) {
    waiting.sort(
      (a, b) => Number(b.isChosen) - Number(a.isChosen) || b.node.visits - a.node.visits,
    );
    const next = waiting.shift() as Placed;
    next.parent?.children.push(next);
    wait(next);
    drawn++;
  }
  let row = 0;
  const settle = (one: Placed): void => {
    one.row = row;
    for (const [i, child] of one.children.entries()) {
      if (i > 0) row++;
      settle(child);
    }
  };
  settle(root);
  return { root, left: waiting.reduce((sum, { node }) => sum + sizeOf(node), 0) };
}

function sizeOf(node: SearchNode): number {
  let size = 0;
  const open = [node];
  for (let next = open.pop(); next; next = open.pop()) {
    size++;
    open.push(...next.children);
  }
  return size;
}

function flatten(root: Placed): Placed[] {
  const all = [root];
  for (let i = 0; i < all.length; i++) all.push(...(all[i] as Placed).children);
  return all;
}

const acrossOf = ({ depth }: Placed): number => 36 + depth * columnWidth;
const downOf = ({ row }: Placed): number => 60 + row * rowHeight;

function edgeOf(from: Placed, to: Placed): string {
  const [x, y] = [acrossOf(from), downOf(from)];
  const [endX, endY] = [acrossOf(to), downOf(to)];
  const bend = endX - 30;
  const colour = to.isChosen ? '#d55e00' : '#b5b5b5';
  return `<path d="M${x} ${y}C${x + 24} ${y} ${bend - 10} ${endY} ${endX} ${endY}" fill="none" stroke="${colour}"${to.isChosen ? ' stroke-width="2"' : ''}/>`;
}

function dotOf(
  one: Placed,
  { low, high }: { readonly low: number; readonly high: number },
): string {
  const { node } = one;
  const share = node.best === undefined || high <= low ? 0.5 : (node.best - low) / (high - low);
  const light = Math.round(88 - 58 * share);
  const fill = one.isChosen ? '#d55e00' : `hsl(203, 60%, ${light}%)`;
  const radius = coordinate(Math.min(9, 3 + Math.sqrt(node.visits)));
  const name = node.chunkId ?? 'nothing yet';
  const told = [
    name,
    `cost ${number(node.cost)}`,
    `${node.visits} visits`,
    ...(node.value === undefined ? [] : [`worth ${number(node.value)}`]),
    ...(node.best === undefined ? [] : [`best through here ${number(node.best)}`]),
  ].join(', ');
  const [x, y] = [acrossOf(one), downOf(one)];
  const worth = node.best === undefined ? '' : ` ${number(node.best)}`;
  return `<g transform="translate(${x} ${y})"><title>${escapeXml(told)}</title><circle r="${radius}" fill="${fill}"/><text x="12" y="${one.children.length > 0 ? -5 : 4}">${escapeXml(`${shortened(name)}${worth}`)}</text></g>`;
}

function shortened(name: string): string {
  const letters = [...name];
  return letters.length <= 18 ? name : `…${letters.slice(-17).join('')}`;
}
