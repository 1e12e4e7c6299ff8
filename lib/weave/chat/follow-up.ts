import { InvalidArgumentError } from '../../errors.js';
import type { LanguageModel } from '../../language-model.js';
import type { ChatExchange } from './exchange.js';

export interface FollowUpRequest {
  readonly question: string;
  /** Earlier turns, oldest first; at least one. */
  readonly turns: readonly ChatExchange[];
  readonly signal: AbortSignal;
}

/** What is searched for with a question that follows others: `And in winter?` finds nothing by itself. */
export type FollowUpQuery = (request: FollowUpRequest) => string | Promise<string>;

export interface LastQuestionsOptions {
  /** Earlier questions that are searched for with the new one; default 2. */
  readonly turns?: number;
}

/** The last questions and the new one, joined: no model is asked. The default of a chat. @throws InvalidArgumentError */
export function lastQuestions({ turns: count = 2 }: LastQuestionsOptions = {}): FollowUpQuery {
  if (!Number.isSafeInteger(count) || count < 0) {
    throw new InvalidArgumentError(`turns is ${count}; give a whole number of at least 0.`);
  }
  return ({ question, turns }) =>
    [...turns.slice(Math.max(0, turns.length - count)).map((turn) => turn.question), question].join(
      '\n',
    );
}

export interface RewrittenQuestionOptions {
  /** Writes the question that stands by itself. */
  readonly model: LanguageModel;
  /** Earlier turns that it is shown; default 4. */
  readonly turns?: number;
  /** Tokens of the rewritten question; default 96. */
  readonly maxTokens?: number;
}

/**
 * The question as a language model writes it so that it stands by itself. One more call of the model before each
 * follow-up; what it throws fails the turn.
 * @throws InvalidArgumentError
 */
export function rewrittenQuestion(options: RewrittenQuestionOptions): FollowUpQuery {
  const { model, turns: count = 4, maxTokens = 96 } = options;
  if (!Number.isSafeInteger(count) || count < 1) {
    throw new InvalidArgumentError(`turns is ${count}; give a whole number of at least 1.`);
  }
  return async ({ question, turns, signal }) => {
    const talk = turns
      .slice(-count)
      .map((turn) => `Question: ${turn.question}\nAnswer: ${turn.answer}`);
    const { text } = await model.generate({
      system:
        'You rewrite the last question of a conversation so that it can be understood without the conversation. Answer with the rewritten question and nothing else.',
      prompt: `${talk.join('\n')}\n\nLast question: ${question}\nRewritten question:`,
      maxTokens,
      signal,
    });
    return text;
  };
}
