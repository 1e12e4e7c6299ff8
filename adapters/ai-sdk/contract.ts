/**
 * The AI SDK's provider contract, version 3, under names without a number: all that this folder knows of it. Types only, so
 * nothing is loaded at run time. A next version of the contract is a change of this file.
 */
export type {
  EmbeddingModelV3 as EmbeddingModelContract,
  JSONObject,
  LanguageModelV3 as LanguageModelContract,
  LanguageModelV3CallOptions as ModelCall,
  LanguageModelV3Content as Content,
  LanguageModelV3FinishReason as FinishReason,
  LanguageModelV3FunctionTool as FunctionTool,
  LanguageModelV3GenerateResult as GenerateResult,
  LanguageModelV3Message as Message,
  LanguageModelV3Middleware as MiddlewareContract,
  LanguageModelV3Prompt as Prompt,
  LanguageModelV3Source as SourceContent,
  LanguageModelV3StreamPart as StreamPart,
  LanguageModelV3ToolResultOutput as ToolOutput,
  LanguageModelV3Usage as ModelUsage,
  ProviderV3 as ProviderContract,
  RerankingModelV3 as RerankingModelContract,
  SharedV3ProviderMetadata as ProviderMetadata,
  SharedV3Warning as Warning,
} from '@ai-sdk/provider';

export const contractVersion = 'v3';
