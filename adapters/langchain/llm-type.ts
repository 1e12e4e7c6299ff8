import type { BaseChatModel } from '@langchain/core/language_models/chat_models';

/** LangChain's short name of a kind of model. */
export function llmTypeOf(model: BaseChatModel): string {
  // LangChain marks what subclasses implement by the underscore; there is no other way to ask.
  // oxlint-disable-next-line no-underscore-dangle
  return model._llmType();
}
