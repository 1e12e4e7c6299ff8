/** What a language model does for cutting texts. */
export interface Spent {
  /** Questions that it is asked. */
  readonly calls: number;
  /** Tokens that it reads: prompts, or texts whose losses are taken. */
  readonly read: number;
  readonly generated: number;
  /** Of the questions, when they were answered. */
  readonly milliseconds: number;
  /** Parts of texts that are cut by their structure, since the model was of no use there. */
  readonly fallbacks: number;
}

export const nothingSpent: Spent = {
  calls: 0,
  read: 0,
  generated: 0,
  milliseconds: 0,
  fallbacks: 0,
};

export const since = (before: Spent, after: Spent): Spent => ({
  calls: after.calls - before.calls,
  read: after.read - before.read,
  generated: after.generated - before.generated,
  milliseconds: after.milliseconds - before.milliseconds,
  fallbacks: after.fallbacks - before.fallbacks,
});
