import { expect, test } from '@jest/globals';
import { checkGrammar } from '../../../../adapters/ggml/gbnf.js';
import { readPassages } from '../../../../lib/chunkers/question-aware/read-passages.js';
import { outlineRequest } from '../../../../lib/chunkers/question-aware/prompts.js';
import { segmentGrammar } from '../../../../lib/chunkers/question-aware/segment-grammar.js';
import { windowOf } from '../../../../lib/chunkers/question-aware/window.js';
import { unitsOf } from '../../../../lib/chunkers/units.js';
import { tokenizeDocument } from '../../../../lib/index.js';
import { runAtOnce } from '../../../../lib/pace.js';
import { seededInteger, seededRandom } from '../../../../lib/random.js';
import { hardTexts } from '../../../../lib/testing/chunkers/hard-texts.js';
import { wordTokenizer } from '../../../support/tokenizers.js';

async function windowIn(text: string) {
  const document = await tokenizeDocument({ id: 'd', text }, wordTokenizer());
  const units = runAtOnce(unitsOf(document, 30));
  return windowOf(document, units, { from: 0, to: units.size });
}

const parsed = (quoted: string) => JSON.parse(quoted) as string;

/** One of the texts that the grammar allows, and the numbers of the sentences that begin a line of it. */
function walk(grammar: string, random: () => number): { answer: string; first: number[] } {
  const rules = new Map(grammar.split('\n').map((line) => line.split(' ::= ') as [string, string]));
  let answer = '';
  const first: number[] = [];
  for (let rule: string | undefined = rules.get('root'); rule;) {
    const begin = /^(".*") " \[\.\.\.\] " \((.*)\)$/.exec(rules.get(rule)!)!;
    first.push(Number(rule.slice(1)));
    const ends = begin[2]!.split(' | ');
    const end = /^(".*") "\\n"(?: (p\d+))?$/.exec(
      rules.get(ends[seededInteger(random, ends.length)]!)!,
    )!;
    answer += `${parsed(begin[1]!)} [...] ${parsed(end[1]!)}\n`;
    rule = end[2];
  }
  return { answer, first };
}

test('whatever is said under the grammar is read as it was meant', async () => {
  const text = Array.from(
    { length: 30 },
    (_, i) =>
      `Line ${i} "quotes" some\\thing, and\nruns on to word${i * i}.${i % 7 === 6 ? '\n\n' : ' '}`,
  ).join('');
  const window = await windowIn(text);
  const grammar = segmentGrammar(window, 60)!;
  checkGrammar(grammar);
  for (let seed = 1; seed <= 30; seed++) {
    const { answer, first } = walk(grammar, seededRandom(seed));
    expect(runAtOnce(readPassages(window, answer, false))).toEqual({
      ranges: first.map((from, i) => ({
        from: window.sentences[from]!.unit,
        to: window.sentences[first[i + 1] ?? -1]?.unit ?? window.range.to,
      })),
    });
  }
});

test('grammars are sound whatever the text, or there is none', async () => {
  let grammars = 0;
  for (const text of Object.values(hardTexts)) {
    const window = await windowIn(text.slice(0, 1500));
    checkGrammar(outlineRequest(window, 3).grammar!);
    const grammar = segmentGrammar(window, 60);
    if (grammar === undefined) continue;
    grammars++;
    checkGrammar(grammar);
    const { answer } = walk(grammar, seededRandom(grammars));
    // Where sentences are the same, borders may fall elsewhere, but nothing is left out.
    expect(runAtOnce(readPassages(window, answer, false))?.openFrom).toBeUndefined();
  }
  expect(grammars).toBeGreaterThan(15);
  expect(segmentGrammar(await windowIn(hardTexts['lone surrogates']!), 60)).toBeUndefined();
});
