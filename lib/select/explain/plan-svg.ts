import { coordinate, escapeXml } from '../../evaluate/report/svg-text.js';
import type { SelectionPlan } from '../selection-plan.js';
import { placeTree, type PlacedNode } from './place-tree.js';

const margin = 24;
const rowHeight = 22;
const columnWidth = 96;
const chosenColour = '#0072b2';
const leftColour = '#b0b0b0';

/**
 * A plan as a picture of its own: a bar for each candidate (its cost; full where it was chosen, hatched edge where it would have
 * to be computed), and below it the tree of sets that a search looked at, sets of chosen chunks alone drawn bold. Every mark has a
 * title that says the rest.
 */
export function selectionPlanSvg(plan: SelectionPlan): string {
  const bars = barsOf(plan);
  const tree = plan.tree ? treeOf(plan) : undefined;
  const width = Math.max(640, bars.width, tree?.width ?? 0);
  const height = bars.height + (tree?.height ?? 0);
  const { selector, unit, budget, cost } = plan;
  const summary = `${selector}: ${Math.round(cost)} of ${Math.round(budget)} ${unit}`;
  return [
    `<svg xmlns="http://www.w3.org/2000/svg" width="${coordinate(width)}" height="${coordinate(height)}" viewBox="0 0 ${coordinate(width)} ${coordinate(height)}" role="img" font-family="sans-serif" font-size="12">`,
    `<title>${escapeXml(summary)}</title>`,
    `<rect width="100%" height="100%" fill="#ffffff"/>`,
    `<text x="${margin}" y="${margin}" font-weight="bold">${escapeXml(plan.question)}</text>`,
    `<text x="${margin}" y="${margin + 18}">${escapeXml(summary)}</text>`,
    ...bars.marks,
    ...(tree
      ? [`<g transform="translate(0 ${coordinate(bars.height)})">`, ...tree.marks, '</g>']
      : []),
    '</svg>',
    '',
  ].join('\n');
}

interface Drawn {
  readonly marks: readonly string[];
  readonly width: number;
  readonly height: number;
}

function barsOf({ candidates, unit }: SelectionPlan): Drawn {
  const longest = Math.max(1, ...candidates.map(({ cost }) => cost));
  const left = 260;
  const room = 300;
  const top = margin + 36;
  const marks = candidates.flatMap((candidate, i) => {
    const { chosen, cost, cached, rank, title, reason, tokens } = candidate;
    const y = top + i * rowHeight;
    const length = Math.max(1, (cost / longest) * room);
    const where = cached ? `cached in ${cached.tier}` : 'not cached';
    const says = `${candidate.chunkId}: ${Math.round(cost)} ${unit}, ${tokens} tokens, ${where}; ${reason}`;
    const fill = chosen ? chosenColour : leftColour;
    const edge = cached ? '' : ' stroke="#d55e00" stroke-width="2" stroke-dasharray="4 2"';
    return [
      `<text x="${left - 8}" y="${coordinate(y + 13)}" text-anchor="end">${escapeXml(`${rank}. ${shortened(title)}`)}</text>`,
      `<rect x="${left}" y="${coordinate(y + 2)}" width="${coordinate(length)}" height="${rowHeight - 8}" fill="${fill}"${edge}><title>${escapeXml(says)}</title></rect>`,
    ];
  });
  return {
    marks,
    width: left + room + margin,
    height: top + candidates.length * rowHeight + margin,
  };
}

function treeOf({ tree, candidates }: SelectionPlan): Drawn {
  const ranks = new Map(candidates.map(({ chunkId, rank }) => [chunkId, rank]));
  const chosen = new Set(candidates.filter(({ chosen: is }) => is).map(({ chunkId }) => chunkId));
  const { nodes, rows, depth } = placeTree(tree as NonNullable<typeof tree>);
  const x = (node: PlacedNode) => margin + 8 + node.depth * columnWidth;
  const y = (node: PlacedNode) => margin + node.row * rowHeight;
  const most = Math.max(1, ...nodes.map(({ node }) => node.visits));
  // Parents come first.
  const onWay = new Set<PlacedNode>();
  for (const placed of nodes) {
    const { parent, node } = placed;
    if (!parent || (onWay.has(parent) && chosen.has(node.chunkId ?? ''))) onWay.add(placed);
  }
  const lines: string[] = [];
  const marks: string[] = [];
  for (const placed of nodes) {
    const { node, parent } = placed;
    const bold = onWay.has(placed);
    if (parent) {
      const stroke = bold ? `${chosenColour}" stroke-width="2.5` : `${leftColour}" stroke-width="1`;
      lines.push(
        `<path d="M${coordinate(x(parent))} ${coordinate(y(parent))}L${coordinate(x(placed))} ${coordinate(y(placed))}" stroke="${stroke}" fill="none"/>`,
      );
    }
    const radius = 3 + 5 * Math.sqrt(node.visits / most);
    const value = node.value === undefined ? '' : `, value ${node.value.toFixed(3)}`;
    const says = `${node.chunkId ?? 'nothing yet'}: cost ${Math.round(node.cost)}${value}, ${node.visits} visits`;
    marks.push(
      `<circle cx="${coordinate(x(placed))}" cy="${coordinate(y(placed))}" r="${coordinate(radius)}" fill="${bold ? chosenColour : leftColour}"><title>${escapeXml(says)}</title></circle>`,
      `<text x="${coordinate(x(placed) + radius + 3)}" y="${coordinate(y(placed) + 4)}" font-size="10">${ranks.get(node.chunkId ?? '') ?? ''}</text>`,
    );
  }
  return {
    marks: [...lines, ...marks],
    width: 2 * margin + (depth + 1) * columnWidth,
    height: 2 * margin + rows * rowHeight,
  };
}

function shortened(title: string): string {
  const characters = Array.from(title);
  return characters.length > 34 ? `${characters.slice(0, 33).join('')}…` : title;
}
