/** libllama's own limit of repetitions in one place. */
export const mostRepeats = 2000;

/** A text as a terminal of a grammar. */
export function literal(text: string): string {
  return `"${text.replace(/["\\]/g, '\\$&').replaceAll('\n', String.raw`\n`)}"`;
}

export function alternatives(expressions: readonly string[]): string {
  const distinct = [...new Set(expressions)];
  return distinct.length === 1
    ? (distinct[0] as string)
    : distinct.map((each) => grouped(each)).join(' | ');
}

/** An expression as one item of a sequence. */
export function grouped(expression: string, repeat = ''): string {
  const isOne = /^[\w-]+$/.test(expression) || /^"(?:[^"\\]|\\.)*"$/.test(expression);
  return isOne ? expression + repeat : `(${expression})${repeat}`;
}

/** Rules that JSON grammars share. Whitespace is at most one space, so that no model goes on with it forever. */
export const sharedRules: Readonly<Record<string, string>> = {
  ws: '" "?',
  // Said positively, so that bytes that are no character never count as one; escapes of surrogates would make one of two.
  char: String.raw`[ !#-\x5B\x5D-\x7E\x80-\U0010FFFF] | "\\" (["\\/bfnrt] | "u" ([0-9a-ce-fA-CE-F] [0-9a-fA-F]{3} | [dD] [0-7] [0-9a-fA-F]{2}))`,
  string: String.raw`"\"" char* "\""`,
  natural: '"0" | [1-9] [0-9]{0,14}',
  integer: '"-"? natural',
  // So that no number reads as infinite.
  fraction: '("." [0-9]{1,15})? ([eE] [-+]? [0-9]{1,2})?',
  magnitude: 'natural fraction',
  number: '"-"? magnitude',
  boolean: '"true" | "false"',
  null: '"null"',
  value: 'object | array | string | number | boolean | null',
  member: 'string ":" ws value',
  object: '"{" ws (member ("," ws member)*)? ws "}"',
  array: '"[" ws (value ("," ws value)*)? ws "]"',
  // The 29th of February is left out: which years have one cannot be said.
  date: '[0-9]{4} "-" (("0" [13578] | "1" [02]) "-" ("0" [1-9] | [12] [0-9] | "3" [01]) | ("0" [469] | "11") "-" ("0" [1-9] | [12] [0-9] | "30") | "02-" ("0" [1-9] | "1" [0-9] | "2" [0-8]))',
  time: '([01] [0-9] | "2" [0-3]) ":" [0-5] [0-9] ":" [0-5] [0-9] ("." [0-9]{3})? ("Z" | [-+] ([01] [0-9] | "2" [0-3]) ":" [0-5] [0-9])',
  uuid: '[0-9a-f]{8} "-" [0-9a-f]{4} "-4" [0-9a-f]{3} "-" [89ab] [0-9a-f]{3} "-" [0-9a-f]{12}',
};

/** What matches strings of a format, between the quotes. */
export const formatRules: Readonly<Record<string, string>> = {
  date: 'date',
  time: 'time',
  'date-time': 'date "T" time',
  uuid: 'uuid',
};
