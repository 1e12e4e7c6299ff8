import { seededInteger, seededRandom } from '../../random.js';

/** What documents are made of, by kind; each call of a maker gives another piece. */
const makers: readonly ((random: () => number) => string)[] = [
  (random) => `${words(random, latin, 1 + seededInteger(random, 14))}${pick(random, ends)}`,
  (random) => `${words(random, latin, 1 + seededInteger(random, 14))}${pick(random, ends)}`,
  (random) =>
    pick(random, ['\n', '\n\n', '\r\n', '\r\n\r\n', '\r', '\f', '\u2029', '\n \t\n', '\u0085']),
  (random) => pick(random, [' ', '  ', '\t', '\u00a0', '\u3000', '\ufeff', ' '.repeat(40)]),
  (random) => `${'#'.repeat(1 + seededInteger(random, 7))} ${words(random, latin, 3)}\n`,
  (random) =>
    `${pick(random, ['- ', '* ', '1. ', '> ', '    ', '| '])}${words(random, latin, 4)}\n`,
  (random) =>
    `| ${words(random, latin, 1)} | ${seededInteger(random, 9999)} |\n|---|---:|\n| x | y |\n`,
  (random) =>
    pick(random, ['```\n', '~~~\n', '````js\n', '``` \n', '---\n', '===\n', '$$', '**', '_', '`']),
  (random) => `${words(random, ['if', '(x)', '{', '}', ';', 'return', '=>', '//'], 6)}\n`,
  (random) =>
    pick(random, [
      '<p>',
      '</p>',
      '<table><tr><td>',
      '</table>',
      '<h2>',
      '<!--',
      '-->',
      '&amp;',
      '<',
    ]),
  (random) =>
    letters(random, '知识就是力量学习使人进步温故而新可以为师', 12) +
    pick(random, ['。', '！', '，', '」', '']),
  (random) => letters(random, 'あいうえおカキクケコｱｲｳﾞー', 10) + pick(random, ['。', '、', '']),
  (random) =>
    letters(random, 'العلمنورجهلظلام', 8) + pick(random, [' ', '؟ ', '، ', '\u064e', '۔ ']),
  (random) => letters(random, 'ज्ञानहीशक्तिक्षत्रिय', 9) + pick(random, ['। ', ' ']),
  (random) => letters(random, 'ความรู้คืออำนาจ', 9),
  (random) => letters(random, '각갂한글한', 6) + pick(random, ['. ', ' ']),
  (random) => pick(random, ['👩‍👩‍👧‍👦', '👍🏽', '🇩🇪🇫🇷', '❤️‍🔥', '1️⃣', '🏴󠁧󠁢󠁥󠁮󠁧󠁿', '😀', '\u200d', '\ufe0f', '🏽']),
  (random) =>
    `a${letters(random, '\u0300\u0301\u0327\u0489\u20dd', 1 + seededInteger(random, 12))}`,
  (random) => pick(random, ['\ud800', '\udc00', '\ud83d', '\udfff\ud83d', '\ud83d\ud83d\ude00']),
  (random) => pick(random, ['\0', '\0\0', '\u0007', '\u001b[0m', '\u007f', '\ufffe', '\uffff']),
  (random) => letters(random, 'ABCDEFabcdef0123456789+/=', 20 + seededInteger(random, 80)),
  (random) =>
    pick(random, [
      'Dr. Smith ',
      'e.g. this ',
      'U.S. Navy ',
      '3.14 ',
      'No. 5 ',
      '"Quoted." ',
      'No!?) ',
    ]),
  (random) =>
    String.fromCharCode(...Array.from({ length: 4 }, () => seededInteger(random, 0x10000))),
  (random) => String.fromCodePoint(seededInteger(random, 0x110000)),
  (random) =>
    pick(random, ['=-', '.', ',', '!?', '…', '(', '}', '"', "'"]).repeat(
      1 + seededInteger(random, 30),
    ),
];

const latin = [
  'chunk',
  'The',
  'a',
  'naïve',
  'of',
  'Über',
  'cache',
  'x',
  'I',
  'well-known',
  "it's",
  'of',
];
const ends = ['. ', '.\n', '? ', '! ', ', ', '; ', ' ', '', '.', ':\n\n', '." ', '...'];

/**
 * The pieces of a document that is unlike any that a person would write: all scripts, signs, line ends, half
 * characters and half-open markup. The same number gives the same document.
 */
export function randomPieces(number: number): string[] {
  const random = seededRandom(number);
  // Some documents are of few kinds, so that they have long runs of one.
  const kinds = Array.from({ length: 1 + seededInteger(random, 8) }, () => pick(random, makers));
  const length = seededInteger(random, pick(random, [3, 12, 40, 80]));
  return Array.from({ length }, () => pick(random, kinds)(random));
}

/** The fewest of `pieces` that still fail, found by leaving out one after another. */
export async function fewestPieces(
  pieces: readonly string[],
  fails: (text: string) => Promise<boolean>,
): Promise<string> {
  let kept = [...pieces];
  for (let i = 0; i < kept.length;) {
    const fewer = kept.toSpliced(i, 1);
    if (await fails(fewer.join(''))) kept = fewer;
    else i++;
  }
  return kept.join('');
}

function pick<T>(random: () => number, items: readonly T[]): T {
  return items[seededInteger(random, items.length)] as T;
}

function words(random: () => number, from: readonly string[], count: number): string {
  return Array.from({ length: count }, () => pick(random, from)).join(' ');
}

/** UTF-16 units of `from`, so that half a character may be among them. */
function letters(random: () => number, from: string, count: number): string {
  return Array.from({ length: count }, () => from[seededInteger(random, from.length)]).join('');
}
