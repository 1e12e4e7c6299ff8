/** A question and what was said to it. */
export interface ChatExchange {
  readonly question: string;
  readonly answer: string;
}
