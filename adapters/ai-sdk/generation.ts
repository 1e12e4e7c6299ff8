import type { FinishReason, ModelUsage, ProviderMetadata, SourceContent } from './contract.js';

/** What happens while a model answers: sources first, then text, then one end. */
export type GenerationEvent =
  | { readonly type: 'sources'; readonly sources: readonly SourceContent[] }
  | { readonly type: 'delta'; readonly text: string }
  | {
      readonly type: 'end';
      readonly finishReason: FinishReason;
      readonly usage: ModelUsage;
      readonly metadata: ProviderMetadata;
      /** What became known only while answering. */
      readonly notes: readonly string[];
    };

export type Generation = AsyncGenerator<GenerationEvent, void, undefined>;
