import type { SetJudge } from '../judge.js';
import type { CandidateSet, SelectionProblem } from '../problem.js';
import type { SearchNode } from '../selector.js';
import { complete } from './complete.js';
import { SetModel } from './set-model.js';
import type { CoragSettings } from './settings.js';
import { propagate, TreeNode, ucb } from './tree.js';

export interface TreeSearchOptions {
  readonly problem: SelectionProblem;
  readonly judge: SetJudge;
  /** Places that are searched. */
  readonly searched: readonly number[];
  readonly settings: CoragSettings;
  readonly random: () => number;
}

/** Of the evaluations, kept for putting the best set to the test. */
const refinedShare = 0.1;
/** Of the completions, that get only a part of the budget: sets of many sizes tell apart what large ones tell together. */
const smallShare = 1 / 8;
/** The least such part. */
const leastBudget = 0.3;

/** The tree search of one selection. */
export class TreeSearch {
  readonly #problem: SelectionProblem;
  readonly #judge: SetJudge;
  readonly #searched: readonly number[];
  readonly #settings: CoragSettings;
  readonly #model: SetModel | undefined;
  readonly #random: () => number;
  readonly #root: TreeNode;
  /** Sets that are in the tree: one that two paths lead to is searched on the first. */
  readonly #known = new Set<string>();
  /** The first judged set is the root's. */
  #low = Infinity;
  #high = -Infinity;

  constructor({ problem, judge, searched, settings, random }: TreeSearchOptions) {
    this.#problem = problem;
    this.#judge = judge;
    this.#searched = searched;
    this.#settings = settings;
    this.#random = random;
    this.#root = new TreeNode(problem.empty);
    this.#known.add(problem.empty.key);
    if (settings.completion === 'none') return;
    const scores = searched.map((place) => problem.candidates[place]?.score as number);
    this.#model = new SetModel({ places: searched, scores, interplay: settings.interplay, random });
  }

  /** Searches until nothing is left to be found or a limit of the judge is reached. */
  async run(): Promise<void> {
    if (!(await this.#judge.judge([this.#problem.empty]))) return;
    this.#learn(this.#problem.empty);
    propagate([this.#root], this.#judge.valueOf(this.#problem.empty) as number);
    const kept = this.#model ? Math.floor(refinedShare * this.#settings.evaluations) : 0;
    while (!this.#root.isSpent && this.#judge.left > kept) {
      const path = this.#descend();
      if (!(await this.#expand(path, this.#judge.left - kept))) return;
    }
    if (this.#model) await this.#refine(this.#model);
  }

  /**
   * Puts the best set to the test: without each of its members, all in one call, as long as that makes it better; then
   * what the model now takes for the best. A search for what is good together leaves in what does no good.
   */
  async #refine(model: SetModel): Promise<void> {
    for (let before = ''; this.#judge.left > 0;) {
      const best = this.#judge.best?.set ?? this.#problem.empty;
      const tried =
        best.key === before
          ? [complete(this.#problem, this.#problem.empty, this.#searched, model.draw(0))]
          : best.members.map((place) =>
              this.#problem.setOf(best.members.filter((one) => one !== place)),
            );
      const open = tried.filter((set) => this.#judge.valueOf(set) === undefined);
      if (open.length === 0 && best.key === before) return;
      before = best.key;
      const isWhole = await this.#judge.judge(open);
      for (const set of open) this.#learnAtRoot(set);
      if (!isWhole) return;
      await this.#judgeWithout(best);
    }
  }

  /** The set without all members that it was worth more without. */
  async #judgeWithout(best: CandidateSet): Promise<void> {
    const worth = this.#judge.valueOf(best) as number;
    const useful = best.members.filter((place) => {
      const rest = this.#problem.setOf(best.members.filter((one) => one !== place));
      return !((this.#judge.valueOf(rest) ?? -Infinity) > worth);
    });
    const set = this.#problem.setOf(useful);
    if (this.#judge.valueOf(set) !== undefined) return;
    await this.#judge.judge([set]);
    this.#learnAtRoot(set);
  }

  /** What came of no way down the tree is the root's alone. */
  #learnAtRoot(set: CandidateSet): void {
    const value = this.#judge.valueOf(set);
    if (value === undefined) return;
    this.#learn(set);
    propagate([this.#root], value);
  }

  /** From the root by UCB to a node that may have more children. */
  #descend(): TreeNode[] {
    const path = [this.#root];
    for (;;) {
      const node = path.at(-1) as TreeNode;
      if (this.#mayWiden(node)) return path;
      const live = node.children.filter(({ isSpent }) => !isSpent);
      const [first] = live;
      if (!first) return path;
      let best = first;
      let most = -Infinity;
      for (const child of live) {
        const bound = ucb(child, node.visits, {
          ...this.#settings,
          budget: this.#problem.budget,
          low: this.#low,
          high: this.#high,
        });
        if (bound <= most) continue;
        best = child;
        most = bound;
      }
      path.push(best);
    }
  }

  /** A node gets its first children at once, more as it is visited more (progressive widening). */
  #mayWiden(node: TreeNode): boolean {
    const { branch } = this.#settings;
    if (this.#openOf(node).length === 0) return false;
    return node.children.length < branch * Math.sqrt(1 + node.visits / branch);
  }

  #openOf(node: TreeNode): number[] {
    const members = new Set(node.set.members);
    const isDeep = members.size >= this.#settings.depth;
    node.open ??= isDeep ? [] : this.#searched.filter((place) => !members.has(place));
    return node.open;
  }

  /** False when a limit was reached. */
  async #expand(path: readonly TreeNode[], most: number): Promise<boolean> {
    const node = path.at(-1) as TreeNode;
    const born = this.#model
      ? this.#completions(node, this.#model, Math.min(most, this.#settings.branch))
      : this.#children(node);
    const isWhole = await this.#judge.judge(born.map(({ found }) => found));
    for (const { child, found } of born) {
      const value = this.#judge.valueOf(found);
      if (value === undefined) continue;
      if (!node.children.includes(child)) node.children.push(child);
      this.#learn(found);
      propagate([...path, child], value);
    }
    for (const one of path.toReversed()) {
      const isDone = this.#openOf(one).length === 0;
      one.isSpent = isDone && one.children.every(({ isSpent }) => isSpent);
    }
    return isWhole;
  }

  /** As published: each chunk that fits, judged by the set that it makes. */
  #children(node: TreeNode): Birth[] {
    const open = this.#openOf(node);
    const born: Birth[] = [];
    while (open.length > 0 && born.length < this.#settings.branch) {
      const place = open.shift() as number;
      const set = this.#problem.extended(node.set, place);
      if (!set || this.#known.has(set.key)) continue;
      this.#known.add(set.key);
      born.push({ child: new TreeNode(set, place), found: set });
    }
    return born;
  }

  /**
   * Each sibling from a value function of its own, drawn from what the judged sets allow: the set that it likes best
   * beyond the node's, by way of the chunk in it that it likes most. Draws that come to what is judged already are drawn
   * again a few times; a node where all are is taken to be exhausted.
   */
  #completions(node: TreeNode, model: SetModel, branch: number): Birth[] {
    const open = this.#openOf(node);
    const born: Birth[] = [];
    const found = new Set<string>();
    let tries = 0;
    while (born.length < branch && tries < 4 * branch && open.length > 0) {
      const value = model.draw(tries === 0 ? 0 : 1);
      const isSmall = tries > 0 && this.#random() < smallShare;
      const share = isSmall ? leastBudget + (1 - leastBudget) * this.#random() : 1;
      tries++;
      const set = complete(this.#problem, node.set, this.#searched, value, share);
      if (this.#judge.valueOf(set) !== undefined || found.has(set.key)) continue;
      const own = new Set(node.set.members);
      const added = set.members.filter((place) => !own.has(place));
      const rest = (place: number): number[] => set.members.filter((one) => one !== place);
      const place = added.toSorted(
        (a, b) => value.gain(b, rest(b)) - value.gain(a, rest(a)) || a - b,
      )[0];
      if (place === undefined) continue;
      found.add(set.key);
      const child = this.#childFor(node, place, born);
      born.push({ child, found: set });
    }
    if (born.length === 0) open.length = 0;
    return born;
  }

  #childFor(node: TreeNode, place: number, born: readonly Birth[]): TreeNode {
    const known = [...node.children, ...born.map(({ child }) => child)];
    const same = known.find((child) => child.place === place);
    if (same) return same;
    const open = this.#openOf(node);
    const at = open.indexOf(place);
    if (at >= 0) open.splice(at, 1);
    return new TreeNode(this.#problem.setOf([...node.set.members, place]), place);
  }

  #learn(set: CandidateSet): void {
    const value = this.#judge.valueOf(set) as number;
    this.#low = Math.min(this.#low, value);
    this.#high = Math.max(this.#high, value);
    this.#model?.observe(set.members, value);
  }

  tree(): SearchNode {
    return this.#pictureOf(this.#root);
  }

  #pictureOf(node: TreeNode): SearchNode {
    const value = this.#judge.valueOf(node.set);
    const chunkId =
      node.place === undefined ? undefined : this.#problem.candidates[node.place]?.chunk.id;
    return {
      ...(chunkId !== undefined && { chunkId }),
      cost: node.set.cost,
      ...(value !== undefined && { value }),
      ...(node.visits > 0 && { best: node.best }),
      visits: node.visits,
      children: node.children.map((child) => this.#pictureOf(child)),
    };
  }
}

interface Birth {
  readonly child: TreeNode;
  /** The set that is judged for it. */
  readonly found: CandidateSet;
}
