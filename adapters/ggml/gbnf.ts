import { SamplingError } from '../../lib/errors.js';

/**
 * Checks a GBNF grammar before libllama sees it: that one prints its complaints to standard error, and ends
 * the process or never returns on some grammars that it takes for good.
 * @throws SamplingError saying what is wrong, and where.
 */
export function checkGrammar(source: string): void {
  if (source.length > MOST_UNITS) {
    throw new SamplingError(
      `The grammar has ${source.length} characters; ${MOST_UNITS} are allowed.`,
    );
  }
  if (source.includes('\0')) throw new SamplingError('The grammar holds the character 0.');
  const { rules, names } = new Parser(source).parse();
  if (!names.has('root')) throw new SamplingError('The grammar has no rule "root" to begin with.');
  for (const [name, rule] of names) {
    if (!rules[rule])
      throw new SamplingError(`The grammar uses the rule "${name}" without defining it.`);
  }
  const complete = rules.map((rule) => rule ?? []);
  checkBeginnings(complete, names);
}

const MOST_UNITS = 1 << 20;
/** libllama calls itself for each level of brackets and each rule, on a stack of 2 MB. */
const MOST_DEPTH = 200;
const MOST_RULES = 8000;
/** libllama's own limit of repetitions. */
const MOST_REPEATS = 2000;

/** A terminal is -1, anything else the number of a rule. */
type Sequence = number[];
type Rule = Sequence[];
const TERMINAL = -1;

class Parser {
  readonly #source: string;
  readonly #rules: (Rule | undefined)[] = [];
  readonly #names = new Map<string, number>();
  #at = 0;
  #depth = 0;
  #count = 0;

  constructor(source: string) {
    this.#source = source;
  }

  parse(): { rules: readonly (Rule | undefined)[]; names: ReadonlyMap<string, number> } {
    this.#space(true);
    while (this.#at < this.#source.length) this.#rule();
    return { rules: this.#rules, names: this.#names };
  }

  #fail(problem: string): never {
    const before = this.#source.slice(0, this.#at);
    const line = before.split('\n').length;
    const column = this.#at - before.lastIndexOf('\n');
    throw new SamplingError(
      `The grammar is not valid at line ${line}, column ${column}: ${problem}.`,
    );
  }

  #peek(): string {
    return this.#source.charAt(this.#at);
  }

  #take(pattern: RegExp): string {
    pattern.lastIndex = this.#at;
    const found = pattern.exec(this.#source)?.[0] ?? '';
    this.#at += found.length;
    return found;
  }

  #space(overLines: boolean): void {
    this.#take(overLines ? /(?:[ \t\r\n]|#[^\r\n]*)*/y : /(?:[ \t]|#[^\r\n]*)*/y);
  }

  #rule(): void {
    const name = this.#take(word);
    if (!name) this.#fail('a rule name is expected (letters, digits, hyphens)');
    this.#space(false);
    if (!this.#take(/::=/y)) this.#fail('"::=" is expected');
    this.#space(true);
    const rule = this.#ruleOf(name);
    this.#rules[rule] = this.#alternatives(false);
    if (this.#at < this.#source.length && !this.#take(/\r?\n|\r/y)) {
      this.#fail('the end of the rule is expected');
    }
    this.#space(true);
  }

  #alternatives(nested: boolean): Rule {
    const rule: Rule = [this.#sequence(nested)];
    while (this.#take(/\|/y)) {
      this.#space(true);
      rule.push(this.#sequence(nested));
    }
    return rule;
  }

  #sequence(nested: boolean): Sequence {
    const sequence: Sequence = [];
    /** The item before, which a repetition applies to, and the rules that repeating it makes. */
    let item: Sequence | undefined;
    let weight = 1;
    for (;;) {
      const before = this.#count;
      const next = this.#item();
      if (next) {
        item = next;
        weight = Math.max(1, this.#count - before);
        sequence.push(...next);
      } else {
        const times = this.#repetition(nested);
        if (!times) return sequence;
        if (!item || item.length === 0) this.#fail('there is nothing to repeat');
        weight *= times.most === Infinity ? Math.max(1, times.least) : Math.max(1, times.most);
        if (weight > MOST_REPEATS) this.#fail(`this repeats more than ${MOST_REPEATS} times`);
        sequence.length -= item.length;
        item = this.#repeat(item, times);
        sequence.push(...item);
      }
      this.#space(nested);
    }
  }

  /** A literal, a class, a rule's name or a group; undefined where none stands. */
  #item(): Sequence | undefined {
    const first = this.#peek();
    if (first === '"') return this.#literal();
    if (first === '[') return this.#class();
    if (first === '(') return this.#group();
    if (first === '<' || first === '!') {
      this.#fail('tokens (<...>) are not supported; write their text in quotes');
    }
    if (first === '.') {
      this.#at++;
      return [TERMINAL];
    }
    const name = this.#take(word);
    if (name) return [this.#ruleOf(name)];
    return undefined;
  }

  #literal(): Sequence {
    this.#at++;
    const sequence: Sequence = [];
    while (this.#peek() !== '"') {
      this.#character();
      sequence.push(TERMINAL);
    }
    this.#at++;
    return sequence;
  }

  #class(): Sequence {
    this.#at++;
    if (this.#peek() === '^') this.#at++;
    let count = 0;
    while (this.#peek() !== ']') {
      this.#character();
      count++;
      if (this.#peek() === '-' && this.#source.charAt(this.#at + 1) !== ']') {
        this.#at++;
        this.#character();
      }
    }
    if (count === 0) this.#fail('a class of no characters matches nothing');
    this.#at++;
    return [TERMINAL];
  }

  #character(): void {
    if (this.#at >= this.#source.length) this.#fail('the grammar ends too early');
    const start = this.#at;
    if (this.#peek() === '\\') {
      const escape = this.#take(
        /\\(?:x[0-9a-fA-F]{2}|u[0-9a-fA-F]{4}|U[0-9a-fA-F]{8}|[trn\\"[\]-])/y,
      );
      if (!escape) this.#fail('this escape is not known');
      if (/^\\[xuU]0+$/.test(escape)) this.#fail('the character 0 cannot be matched');
      return;
    }
    this.#at += (this.#source.codePointAt(start) ?? 0) > 0xffff ? 2 : 1;
  }

  #group(): Sequence {
    this.#at++;
    if (++this.#depth > MOST_DEPTH) this.#fail(`brackets are nested more than ${MOST_DEPTH} deep`);
    this.#space(true);
    const rule = this.#newRule();
    this.#rules[rule] = this.#alternatives(true);
    if (this.#peek() !== ')') this.#fail('")" is expected');
    this.#at++;
    this.#depth--;
    return [rule];
  }

  #repetition(nested: boolean): { least: number; most: number } | undefined {
    const sign = this.#take(/[*+?]/y);
    if (sign) return { least: sign === '+' ? 1 : 0, most: sign === '?' ? 1 : Infinity };
    if (this.#peek() !== '{') return undefined;
    const found = this.#take(nested ? bracesOverLines : braces);
    const [, least = '', comma, most = ''] = (found && numbers.exec(found)) || [];
    if (!found || !least) this.#fail('a repetition is {n}, {n,} or {n,m}');
    const from = Number(least);
    let to = comma === undefined ? from : most === '' ? Infinity : Number(most);
    if (from > MOST_REPEATS) this.#fail(`this repeats more than ${MOST_REPEATS} times`);
    if (to > MOST_REPEATS) to = Infinity;
    if (to < from) this.#fail('the repetition ends before it begins');
    return { least: from, most: to };
  }

  #repeat(item: Sequence, { least, most }: { least: number; most: number }): Sequence {
    const sequence: Sequence = [];
    for (let i = 0; i < least; i++) sequence.push(...item);
    if (most === least) return sequence;
    const more = this.#newRule(most === Infinity ? 1 : most - least);
    this.#rules[more] = most - least === 1 ? [item, []] : [[...item, more], []];
    sequence.push(more);
    return sequence;
  }

  #ruleOf(name: string): number {
    let rule = this.#names.get(name);
    if (rule === undefined) {
      rule = this.#newRule();
      this.#names.set(name, rule);
    }
    return rule;
  }

  /** Number of a rule that stands for `count` of libllama's. */
  #newRule(count = 1): number {
    this.#count += count;
    if (this.#count > MOST_RULES) {
      this.#fail(`the grammar makes more than ${MOST_RULES} rules; repeat fewer times`);
    }
    this.#rules.push(undefined);
    return this.#rules.length - 1;
  }
}

const word = /[a-zA-Z0-9-]+/y;
const braces = /\{[ \t]*[0-9]+[ \t]*(?:,[ \t]*(?:[0-9]+[ \t]*)?)?\}/y;
const bracesOverLines = /\{\s*[0-9]+\s*(?:,\s*(?:[0-9]+\s*)?)?\}/y;
const numbers = /\{\s*([0-9]+)\s*(,)?\s*([0-9]*)/;

/**
 * Every rule must be able to begin with a character or be empty, or libllama runs out of ways to go on; and
 * no rule may begin with itself and something after it, or it never ends.
 */
function checkBeginnings(rules: readonly Rule[], names: ReadonlyMap<string, number>): void {
  const empty = fixpoint(rules, (rule, known) =>
    rule.some((sequence) => sequence.every((symbol) => symbol !== TERMINAL && known[symbol] === 1)),
  );
  const begins = fixpoint(rules, (rule, known) =>
    rule.some((sequence) => leftmost(sequence, empty).some((i) => isTerminal(sequence[i], known))),
  );
  const nameOf = (rule: number): string =>
    [...names].find(([, number]) => number === rule)?.[0] ?? 'a group';
  rules.forEach((_, rule) => {
    if (!empty[rule] && !begins[rule]) {
      throw new SamplingError(`The grammar's rule "${nameOf(rule)}" never comes to a character.`);
    }
  });
  const next = rules.map((rule) => {
    const reached = new Set<number>();
    for (const sequence of rule) {
      for (const i of leftmost(sequence, empty)) {
        const symbol = sequence[i] as number;
        if (symbol !== TERMINAL) reached.add(symbol);
      }
    }
    return reached;
  });
  rules.forEach((rule, from) => {
    for (const sequence of rule) {
      for (const i of leftmost(sequence, empty)) {
        const symbol = sequence[i] as number;
        const grows = i < sequence.length - 1;
        if (symbol !== TERMINAL && (grows || symbol === from) && reaches(next, symbol, from)) {
          if (!grows && rule.some((other) => other.length === 0)) continue;
          throw new SamplingError(
            `The grammar's rule "${nameOf(from)}" begins with itself (left recursion). Put a character before it, or use * or +.`,
          );
        }
      }
    }
  });
}

/** Places in a sequence that its text may begin at: the first one, and those after symbols that may be empty. */
function leftmost(sequence: Sequence, empty: Uint8Array): number[] {
  const places: number[] = [];
  for (let i = 0; i < sequence.length; i++) {
    places.push(i);
    const symbol = sequence[i] as number;
    if (symbol === TERMINAL || !empty[symbol]) break;
  }
  return places;
}

function isTerminal(symbol: number | undefined, begins: Uint8Array): boolean {
  return symbol === TERMINAL || (symbol !== undefined && begins[symbol] === 1);
}

/** Grows a set of rules until nothing changes. */
function fixpoint(
  rules: readonly Rule[],
  holds: (rule: Rule, known: Uint8Array) => boolean,
): Uint8Array {
  const known = new Uint8Array(rules.length);
  for (let changed = true; changed;) {
    changed = false;
    // Backwards, since groups and repetitions come after the rules that use them.
    for (let rule = rules.length - 1; rule >= 0; rule--) {
      if (!known[rule] && holds(rules[rule] ?? [], known)) {
        known[rule] = 1;
        changed = true;
      }
    }
  }
  return known;
}

function reaches(next: readonly ReadonlySet<number>[], from: number, to: number): boolean {
  const seen = new Set<number>([from]);
  const todo = [from];
  for (let rule = todo.pop(); rule !== undefined; rule = todo.pop()) {
    if (rule === to) return true;
    for (const other of next[rule] ?? []) {
      if (!seen.has(other)) {
        seen.add(other);
        todo.push(other);
      }
    }
  }
  return false;
}
