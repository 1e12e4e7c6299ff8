/** Models behind OpenAI-compatible APIs: prompts laid out for the server's own cache, and what it reused. */

export type { Completion, CompletionOptions } from './completion.js';
export { openAiLanguageModel, type OpenAiLanguageModelOptions } from './language-model.js';
export type { OpenAiOptions } from './options.js';
export {
  createRemoteWeave,
  type RemoteAnswer,
  type RemoteAskOptions,
  type RemoteWeave,
  type RemoteWeaveOptions,
} from './remote-weave.js';
