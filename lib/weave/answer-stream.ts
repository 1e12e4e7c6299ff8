import type { Answer, AnswerEvent, AnswerStream } from './answer.js';

/**
 * Starts an answer right away and keeps its events until they are asked for, so nothing is lost to a caller
 * who begins to iterate late, or never does and only awaits the answer.
 */
export function startAnswerStream<A extends Answer = Answer>(
  start: (emit: (event: AnswerEvent) => void, left: AbortSignal) => Promise<A>,
): AnswerStream<A> {
  const events: AnswerEvent[] = [];
  const left = new AbortController();
  let wake: (() => void)[] = [];
  let ended = false;
  const wakeAll = () => {
    const sleepers = wake;
    wake = [];
    for (const resume of sleepers) resume();
  };
  const answer = start((event) => {
    events.push(event);
    wakeAll();
  }, left.signal);
  const end = () => {
    ended = true;
    wakeAll();
  };
  // This also keeps a stream that nobody awaits from counting as an unhandled rejection.
  answer.then(end, end).catch(() => {});

  async function* iterate(): AsyncGenerator<AnswerEvent, void, undefined> {
    let finished = false;
    try {
      for (let next = 0; ;) {
        while (next < events.length) yield events[next++] as AnswerEvent;
        if (ended) break;
        await new Promise<void>((resume) => wake.push(resume));
      }
      finished = true;
      await answer;
    } finally {
      if (!finished)
        left.abort(new DOMException('The answer was not wanted any more.', 'AbortError'));
    }
  }
  return { answer, [Symbol.asyncIterator]: iterate };
}
