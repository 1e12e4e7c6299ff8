import type { GenerateResult } from '../language-model.js';

export const bestGrade = 10;

/** An answer may be a whole number from 0 to 10 and nothing else. */
export const gradeGrammar = `root ::= ${Array.from({ length: bestGrade + 1 }, (_, grade) => `"${grade}"`).join(' | ')}`;

/** Share of the first token's probability that grades must have for their alternatives to be heard. */
const leastCoverage = 0.5;

/**
 * The grade of an answer, in [0, 10], or undefined where it has none. Where the first token's alternatives are known it is
 * the expected grade over them, which tells passages apart that get the same whole number; else the number written. Of an
 * answer that is a grade and nothing else (a grammar saw to that) only the grades among the alternatives are looked at.
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
  /** Probability of all grades, and of those of which it is known which they are. */
  let [all, mass, sum] = [0, 0, 0];
  for (const { text: token, logprob } of firstToken) {
    if (!isGrade(token)) continue;
    const probability = Math.exp(logprob);
    all += probability;
    let grade = Number(token);
    if (grade === 1 && !isTenOneToken) {
      if (written !== 1 && written !== bestGrade) continue;
      grade = written;
    }
    mass += probability;
    sum += probability * grade;
  }
  return mass > 0 && mass >= leastCoverage * (isGrade(text) ? all : 1) ? sum / mass : written;
}

function isGrade(text: string): boolean {
  return /^\s*(?:[0-9]|10)\s*$/.test(text);
}

/** The first whole number of an answer, where it is a grade: `7`, `7/10`, `Grade: 7.`; not `17`, `-3` or `7.5`. */
function writtenGrade(text: string): number | undefined {
  const found = /(?<![\d.,-])\d+(?:[.,]\d+)?/.exec(text)?.[0];
  if (found === undefined || !/^\d+$/.test(found)) return undefined;
  const grade = Number(found);
  return grade <= bestGrade ? grade : undefined;
}
