/**
 * English words that say nothing of a question's subject, as {@link termsOf} gives them. They are left out of
 * questions, not of the index, so that a question made of nothing else still finds something.
 */
export const englishStopWords: ReadonlySet<string> = new Set(
  (
    'a about after all also am an and any are as at be because been before being between both but by can ' +
    'could did do doe does doing done down during each for from had has have having he her here hers him his ' +
    'how i if in into is it its just me more most my no nor not of off on once only or other our out over own ' +
    'same she should so some such than that the their them then there these they thi this those through to ' +
    'too under until up very was wa we were what when where which while who whom why will with would you your'
  ).split(' '),
);
