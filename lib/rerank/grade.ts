import type { GenerateResult } from '../language-model.js';

export const bestGrade = 10;

/** An answer may be a whole number from 0 to 10 and nothing else. */
export const gradeGrammar = `root ::= ${Array.from({ length: bestGrade + 1 }, (_, grade) => `"${grade}"`).join(' | ')}`;

/** What an answer must weigh of the first token's probability for the alternatives to be heard. */
const leastCoverage = 0.5;

/**
 * The grade of an answer, in [0, 10], or undefined where it has none. Where the first token's alternatives are known it is
 * the expected grade over them, which tells passages apart that get the same whole number; else the number written.
 *
 * A vocabulary of single digits writes 10 as 1 and 0. Then the token 1 counts as what the answer made of it, and is left out
 * where the answer begins otherwise.
 */
export function gradeOf({
  text,
  firstToken = [],
}: Pick<GenerateResult, 'text' | 'firstToken'>): number | undefined {
  const written = writtenGrade(text);
  const isTenOneToken = firstToken.some((one) => one.text.trim() === '10');
  let mass = 0;
  let sum = 0;
  for (const { text: token, logprob } of firstToken) {
    const digits = token.trim();
    if (!/^(?:[0-9]|10)$/.test(digits)) continue;
    let grade: number | undefined = Number(digits);
    if (grade === 1 && !isTenOneToken)
      grade = written === 1 || written === 10 ? written : undefined;
    if (grade === undefined) continue;
    const probability = Math.exp(logprob);
    mass += probability;
    sum += probability * grade;
  }
  return mass >= leastCoverage ? sum / mass : written;
}

/** The first whole number of an answer, where it is a grade: `7`, `7/10`, `Grade: 7.`; not `17`, `-3` or `7.5`. */
function writtenGrade(text: string): number | undefined {
  const found = /(?<![\d.,-])\d+(?:[.,]\d+)?/.exec(text)?.[0];
  if (found === undefined || !/^\d+$/.test(found)) return undefined;
  const grade = Number(found);
  return grade <= bestGrade ? grade : undefined;
}
