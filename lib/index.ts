/** The public surface of chunkweave: pure TypeScript, no native code, no files. */

export {
  createWeave,
  type CompareOptions,
  type Comparison,
  type ExplainOptions,
  type Explanation,
  type PromptRequest,
  type Weave,
  type WeaveStats,
  type WovenPrompt,
} from './weave.js';
export type {
  Answer,
  AnswerEvent,
  AnswerStream,
  EncodingEvent,
  Source,
  Timings,
  Usage,
} from './weave/answer.js';
export type {
  Chat,
  ChatAnswer,
  ChatAskOptions,
  ChatOptions,
  ChatSource,
  ChatTurnRecord,
} from './weave/chat/options.js';
export type { ChatExchange } from './weave/chat/exchange.js';
export {
  type FollowUpQuery,
  type FollowUpRequest,
  lastQuestions,
  type LastQuestionsOptions,
  rewrittenQuestion,
  type RewrittenQuestionOptions,
} from './weave/chat/follow-up.js';
export type {
  AskDefaults,
  AskOptions,
  IngestOptions,
  IngestProgress,
  IngestChanges,
  IngestReport,
  KvBudget,
  KvEstimate,
  SelectionBudget,
  WarmOptions,
  WarmReport,
  WeaveOptions,
} from './weave/options.js';
export type {
  ShadowMeans,
  ShadowOptions,
  ShadowResult,
  ShadowStats,
} from './weave/shadow/options.js';
export type { SinglePassMode } from './weave/single-pass/options.js';
export type { PassVectorsMode } from './weave/single-pass/pass-vectors.js';
export type {
  DocumentWarmup,
  EncodedAfter,
  NeighbourWarmup,
  Warmup,
} from './weave/warmup/warmup.js';
export type { PassageLayout, PromptOptions, PromptTokens } from './prompt.js';

export type { Chunk, Document, DocumentSection, TokenizedDocument } from './document.js';
export type { ChunkOptions, Chunker } from './chunkers/chunker.js';
export { chunksAt } from './chunkers/chunks-at.js';
export { approximateTokens } from './chunkers/approximate-tokens.js';
export { fixedChunker, type FixedChunkerOptions } from './chunkers/fixed.js';
export { sentenceChunker, type SentenceChunkerOptions } from './chunkers/sentence.js';
export {
  contentDefinedChunker,
  type ContentDefinedChunkerOptions,
} from './chunkers/content-defined.js';
export { outlinedChunker, type OutlinedChunkerOptions } from './chunkers/outlined.js';
export { markdownChunker, type MarkdownChunkerOptions } from './chunkers/markdown.js';
export { htmlChunker, type HtmlChunkerOptions } from './chunkers/html.js';
export {
  codeChunker,
  type CodeChunkerOptions,
  type CodeParser,
  type SyntaxNode,
} from './chunkers/code.js';
export { semanticChunker, type SemanticChunkerOptions } from './chunkers/semantic.js';
export { clusterChunker, type ClusterChunkerOptions } from './chunkers/cluster.js';
export { trainedChunker, type TrainedChunkerOptions, type TrainedCut } from './chunkers/trained.js';
export type { SegmenterWeights } from './chunkers/segmenter/weights.js';
export { intentChunker, type IntentChunkerOptions } from './chunkers/intent.js';
export { perplexityChunker, type PerplexityChunkerOptions } from './chunkers/perplexity.js';
export {
  type EncodedPassage,
  type LentPrefix,
  type PrefixLender,
  singlePassChunker,
  type SinglePassChunkerOptions,
} from './chunkers/single-pass.js';
export { marginChunker, type MarginChunkerOptions } from './chunkers/margin.js';
export { lumberChunker, type LumberChunkerOptions } from './chunkers/lumber.js';
export {
  questionAwareChunker,
  type QuestionAwareChunkerOptions,
} from './chunkers/question-aware.js';
export {
  chunkScoreJudge,
  type ChunkScoreJudgeOptions,
  type SegmentationJudge,
} from './chunkers/model/segmentation-judge.js';
export type { ModelCallOptions } from './chunkers/model/ask.js';
export { type BoundaryCache, memoryBoundaryCache } from './chunkers/model/boundary-cache.js';
export type { LossThreshold } from './chunkers/model/loss-minima.js';
export type { ChunkingNotice, OnChunkingNotice } from './chunkers/model/notice.js';
export type { TokenLosses } from './chunkers/model/token-losses.js';
export { engineLosses, type EngineLossesOptions } from './chunkers/model/engine-losses.js';
export type { IntentSource } from './chunkers/intent/intents.js';
export { headingIntents } from './chunkers/intent/heading-intents.js';
export { modelIntents, type ModelIntentsOptions } from './chunkers/intent/model-intents.js';
export type { IntentObjective } from './chunkers/intent/objective.js';
export type { Units } from './chunkers/units.js';
export type { Outline } from './chunkers/outline.js';
export { recursiveChunker, type RecursiveChunkerOptions } from './chunkers/recursive.js';
export {
  chromaSeparators,
  langchainSeparators,
  type Separator,
  type SeparatorName,
} from './chunkers/separators.js';
export {
  chunkDocument,
  tokenizeDocument,
  type ChunkDocumentOptions,
  type TokenizeDocumentOptions,
} from './chunk-document.js';

export type { Retriever, ScoredChunk, SearchOptions } from './retrieve/retriever.js';
export type { OnRetrievalNotice, RetrievalNotice } from './retrieve/notice.js';
export {
  bm25Retriever,
  restoreBm25Retriever,
  type Bm25Retriever,
  type Bm25RetrieverOptions,
  type Bm25Snapshot,
  type TextField,
} from './retrieve/bm25.js';
export {
  denseRetriever,
  restoreDenseRetriever,
  type DenseField,
  type DenseRetriever,
  type DenseRetrieverOptions,
} from './retrieve/dense.js';
export type { DenseSnapshot } from './retrieve/dense-snapshot.js';
export type { SituatedPassage, SituateOptions } from './retrieve/situate.js';
export type { Fusion } from './retrieve/fusion.js';
export {
  defaultFusion,
  fusedRetriever,
  type FusedRetrieverOptions,
} from './retrieve/fused-retriever.js';
export { hybridRetriever, type HybridRetrieverOptions } from './retrieve/hybrid.js';
export { mmrRetriever, type MmrOptions } from './retrieve/mmr.js';
export { neighbourRetriever, type NeighbourOptions } from './retrieve/neighbours.js';
export {
  type Similarity,
  type SimilarityMeasure,
  termSimilarity,
  vectorSimilarity,
} from './retrieve/similarity.js';
export { type EnrichmentCache, memoryEnrichmentCache } from './enrich/cache.js';
export {
  type SideField,
  type SideFieldsOptions,
  type SideFieldsReport,
  withSideFields,
} from './enrich/side-fields.js';
export {
  enrichChunks,
  type EnrichedChunks,
  type EnrichmentReport,
  type EnrichOptions,
} from './enrich/enrich-chunks.js';
export {
  type AskedField,
  type ChunkEnrichment,
  enrichedFields,
  enrichedTexts,
  type EnrichmentField,
  enrichmentOf,
  withEnrichment,
} from './enrich/enrichment.js';
export {
  crossEncoderReranker,
  type CrossEncoderOptions,
  type QuestionPassage,
} from './rerank/cross-encoder.js';
export {
  gradedReranker,
  type GradedRerankerOptions,
  gradePrompt,
  type GradeReport,
} from './rerank/graded-reranker.js';
export type { Reranker, RerankRequest } from './rerank/reranker.js';
export {
  rerankingRetriever,
  type RerankingRetrieverOptions,
} from './rerank/reranking-retriever.js';
export type { ContextEmbedder, Embedder, PassageInContext } from './retrieve/embedder.js';
export {
  maxVectorLength,
  type SavableVectorIndex,
  type VectorCallOptions,
  type VectorEntry,
  type VectorIndex,
  type VectorMatch,
  type VectorMetric,
  type VectorQueryOptions,
  type VectorSource,
} from './retrieve/vector-index.js';
export type { VectorMetadata } from './retrieve/vector-metadata.js';
export { flatIndex, restoreFlatIndex, type FlatIndexOptions } from './retrieve/flat-index.js';
export type { Bytes } from './retrieve/vectors/blocks.js';
export {
  checkFilter,
  fieldsOf,
  filterMatches,
  type FilterBounds,
  type FilterValue,
  type MetadataFilter,
} from './retrieve/filter.js';

export type {
  Decision,
  SearchNode,
  Selection,
  SelectionRequest,
  Selector,
  SetCost,
  SetOrder,
  SetValue,
} from './select/selector.js';
export { type CoragAgent, coragSelector, type CoragSelectorOptions } from './select/corag/corag.js';
export { coragAgent, type CoragAgentOptions } from './select/corag/agent.js';
export type { CoragAgentWeights } from './select/corag/learned-weights.js';
export { coragDefaults, coragPublished, type CoragSettings } from './select/corag/settings.js';
export { moneyCost, type MoneyCostOptions } from './select/costs/money.js';
export { tokensCost } from './select/costs/tokens.js';
export { findOrder, type FindOrderOptions, type FoundOrder } from './select/orders/find-order.js';
export {
  bothEnds,
  canonicalOrder,
  rankOrder,
  valueAscending,
  valueDescending,
} from './select/orders/plain-orders.js';
export { readingOrder } from './select/orders/reading-order.js';
export {
  type AnswerVerdict,
  type FeedbackRound,
  sageFeedback,
  type SageFeedback,
  type SageFeedbackOptions,
} from './select/sage-feedback.js';
export { describeSelection } from './select/describe-selection.js';
export { selectionTreeSvg, type SelectionTreeSvgOptions } from './select/selection-tree-svg.js';
export type { SearchLimits } from './select/search-options.js';
export { SelectionError, SelectionTooLargeError } from './select/selection-error.js';
export { beamSelector, type BeamSelectorOptions } from './select/selectors/beam.js';
export { exactSelector, type ExactSelectorOptions } from './select/selectors/exact.js';
export { gradientSelector, type GradientSelectorOptions } from './select/selectors/gradient.js';
export { greedySelector, type GreedySelectorOptions } from './select/selectors/greedy.js';
export { randomSelector, type RandomSelectorOptions } from './select/selectors/random.js';
export { thresholdSelector, type ThresholdSelectorOptions } from './select/selectors/threshold.js';
export {
  cacheAwareSelector,
  type CacheAwareSelectorOptions,
} from './select/selectors/cache-aware.js';
export { topKSelector, type TopKSelectorOptions } from './select/selectors/top-k.js';
export { coverageValue, type CoverageValueOptions } from './select/values/coverage.js';
export { maxMarginalValue, type MaxMarginalValueOptions } from './select/values/max-marginal.js';
export { rerankerValue, type RerankerValueOptions } from './select/values/reranker-value.js';
export { sumOfScores } from './select/values/sum-of-scores.js';

export {
  queryLikelihoodReranker,
  type QueryLikelihoodRerankerOptions,
} from './rerank/query-likelihood.js';

export type {
  ChunkAttention,
  LossesOptions,
  ProbeWork,
  QuestionLosses,
  QuestionProbe,
  QuestionProbeOptions,
} from './select/question-probe.js';
export type { CandidateDecision, SelectionPlan } from './select/selection-plan.js';
export {
  type CachedAt,
  type ChunkState,
  millisecondsCost,
  type MillisecondsCostOptions,
} from './select/costs/milliseconds.js';
export {
  queryLikelihoodValue,
  type QueryLikelihoodValueOptions,
} from './select/values/query-likelihood.js';
export { describeSelectionPlan } from './select/explain/describe-plan.js';
export { selectionPlanSvg } from './select/explain/plan-svg.js';
export {
  type CandidateReading,
  readCandidates,
  type ReadCandidatesOptions,
} from './select/candidate-reading.js';
export { attentionReranker, type AttentionRerankerOptions } from './rerank/attention.js';
export type { Calibration } from './select/values/question-likelihood.js';

export type {
  PassageRefresh,
  PassageView,
  PolicyInput,
  PolicyProbes,
  QuestionAttention,
  QuestionAttentionOptions,
  RecomputePolicy,
  RefreshPlan,
} from './reuse/policy.js';
export { CostModel, type ComputeWork, type CostSnapshot } from './reuse/cost/cost-model.js';
export type { Observation } from './reuse/cost/fit.js';
export { preloadDepth, type PreloadTimes } from './reuse/cost/preload-depth.js';
export { describePlan, type DescribePlanOptions } from './reuse/describe-plan.js';
export type { Carry } from './reuse/carry/carry.js';
export { type ShiftOptions, withShift } from './reuse/carry/shift.js';
export type { Deviation, Narrowing, NarrowingView } from './reuse/narrowing.js';
export { boundaryPolicy, type BoundaryPolicyOptions } from './reuse/policies/boundary.js';
export { contextPolicy, type ContextPolicyOptions } from './reuse/policies/context.js';
export { type LoadedRatio, ratioWithinLoad } from './reuse/cost/ratio-within-load.js';
export { deviationPolicy, type DeviationPolicyOptions } from './reuse/policies/deviation.js';
export { dualStagePolicy, type DualStagePolicyOptions } from './reuse/policies/dual-stage.js';
export {
  type FidelityCheck,
  fidelityTarget,
  type FidelityTarget,
  type FidelityTargetOptions,
} from './reuse/fidelity-target.js';
export { fullPolicy } from './reuse/policies/full.js';
export {
  hybridPolicy,
  type HybridBudget,
  type HybridCoverage,
  type HybridPolicyOptions,
} from './reuse/policies/hybrid.js';
export { nonePolicy } from './reuse/policies/none.js';
export { questionPolicy, type QuestionPolicyOptions } from './reuse/policies/question.js';
export { randomPolicy, type RandomPolicyOptions } from './reuse/policies/random.js';
export { carryOut, type CarriedOut, type CarryOutOptions } from './reuse/refresh/carry-out.js';
export { LateRefresh, type LateRefreshOptions } from './reuse/late/late-refresh.js';
export { makePlan, type MadePlan } from './reuse/refresh/make-plan.js';
export { type LayerTokens, recomputeRatio, type RefreshReport } from './reuse/refresh/report.js';
export type { RefreshTarget } from './reuse/refresh/target.js';

export type {
  ChunkRecord,
  ChunkStore,
  DeleteOptions,
  EncodingContext,
  GetLayersOptions,
  GetOptions,
  Lease,
  LeaseOptions,
  ListOptions,
  LoadWorth,
  RecordInfo,
  RecordNotes,
  RecordSource,
  RecordUse,
  StoreCallOptions,
} from './store/chunk-store.js';
export type {
  EvictionReason,
  MissReason,
  Percentiles,
  StoreEvent,
  StoreListener,
  StoreStats,
} from './store/store-stats.js';
export {
  type Access,
  accessName,
  assertKey,
  chunkKey,
  chunkOf,
  isKey,
  keyScope,
  meanVariantKey,
  noLabel,
  publicTenant,
  variantKey,
  type ChunkKeyParts,
  type KeyScope,
  type KeyScopeParts,
  type VariantParts,
} from './store/chunk-key.js';
export { bfpCodec, type BfpOptions } from './store/codec/bfp.js';
export { codecByName } from './store/codec/by-name.js';
export type { BlockShape, KvCodec } from './store/codec/codec.js';
export { f16Codec } from './store/codec/f16.js';
export { q8Codec } from './store/codec/q8-0.js';
export { gdsfPolicy } from './store/eviction/gdsf.js';
export { lruPolicy } from './store/eviction/lru.js';
export type {
  EvictionEntry,
  EvictionPolicy,
  EvictionPolicyFactory,
  EvictionUse,
} from './store/eviction/policy.js';
export type { ByteSum } from './store/block-sums.js';
export type { AdmissionOptions } from './store/eviction/ranked.js';
export { reusePolicy } from './store/eviction/reuse.js';
export { StoreMeter } from './store/meter.js';
export { recordInfo, type RecordKeeping, recordLayers } from './store/record.js';
export { memoryStore, type MemoryStore, type MemoryStoreOptions } from './store/memory-store.js';
export type { CircuitOptions } from './store/tiered/circuit.js';
export type { QueueOptions, TieredStoreOptions, TierOptions } from './store/tiered/options.js';
export type { TierBacklog } from './store/tiered/tier.js';
export { tieredStore, type TieredStore } from './store/tiered/tiered-store.js';
export {
  bestVariant,
  forgetChunk,
  forgetChunks,
  putVariant,
  variantsOf,
  type ForgetOptions,
  type FoundVariant,
  type PutVariantOptions,
} from './store/variants.js';

export type {
  AppendOptions,
  AppendRows,
  KvArena,
  KvCorrection,
  KvSequence,
  RefreshRows,
  RowGroup,
  RunOptions,
} from './engine/arena.js';
export type { Span } from './engine/span.js';
export type { ChatFormat, ChatFrame, ChatFrameOptions, ChatTurn } from './engine/chat.js';
export {
  layerBytes,
  layerKeys,
  layerValues,
  type ChunkKv,
  type LayerRange,
} from './engine/chunk-kv.js';
export {
  decode,
  decodeAll,
  type DecodeOptions,
  type DecodeResult,
  type DecodeStep,
} from './engine/decode.js';
export type { DeviceInfo, DeviceKind } from './engine/device.js';
export {
  encodeChunk,
  encodeChunkAfter,
  type EncodeChunkAfterOptions,
  type EncodeChunkOptions,
  type EncodedChunk,
} from './encode/encode-chunk.js';
export {
  encodeDocument,
  type EncodedDocumentChunk,
  type EncodedSegment,
  type EncodeDocumentOptions,
} from './encode/encode-document.js';
export {
  type PackedStatistics,
  packStatistics,
  unpackStatistics,
} from './encode/packed-statistics.js';
export { type Segment, type SegmentOptions, segmentsOf } from './encode/segments.js';
export { meanKv } from './encode/mean-kv.js';
export type { EncodingStatistics, InterAttention, LayerStatistics } from './encode/statistics.js';
export type { ArenaOptions, KvEngine } from './engine/engine.js';
export type {
  AttentionRequest,
  ChangeRequest,
  ChangeResult,
  DeviationResult,
  ForwardOutputs,
  ForwardResult,
  GroupAttention,
  HiddenRequest,
  HiddenResult,
  LayerOutputs,
  LayerResult,
  LogitsResult,
} from './engine/forward.js';
export {
  kvBytesPerToken,
  type KvLayout,
  type KvType,
  type ModelInfo,
} from './engine/model-info.js';
export type { LayerPass } from './engine/pass.js';
export type { Sampler, SamplingOptions } from './engine/sampling.js';
export type { EncodeOptions, TokenizedText, Tokenizer } from './engine/tokenizer.js';
export type { GenerateRequest, GenerateResult, LanguageModel } from './language-model.js';
export { type MeteredModel, meteredModel, type ModelUsage } from './metered-model.js';
export { engineLanguageModel } from './engine-language-model.js';
export {
  generateChat,
  type GenerateChatOptions,
  type GeneratedChat,
} from './engine/generate-chat.js';
export {
  type JsonGrammar,
  type JsonGrammarOptions,
  jsonSchemaGrammar,
} from './grammar/json-schema-grammar.js';
export type { JsonSchema } from './grammar/json-schema.js';
export {
  readToolCall,
  describeTools,
  toolCallGrammar,
  type ToolCallGrammarOptions,
  type ToolShape,
  writeToolCall,
  type WrittenToolCall,
} from './grammar/tool-call-grammar.js';

export { CacheLedger, type LedgerReport, type TokenPrices } from './remote/cache-ledger.js';
export { readUsage, type RemoteUsage } from './remote/cached-usage.js';
export { type GroupedRequest, groupPrefixes, type PrefixGroups } from './remote/group-prefixes.js';
export {
  layoutMessages,
  layoutTokens,
  type MessagePart,
  type MessagesPrompt,
  type RemoteMessage,
  type RemotePassage,
  type RemotePromptOptions,
  type TokensPrompt,
} from './remote/layout-prompt.js';
export {
  type PassageOrder,
  type PlacedPassage,
  PrefixHistory,
  type PrefixHistoryOptions,
} from './remote/prefix-history.js';
export { cacheFields, type RemoteServer } from './remote/remote-server.js';

export * from './errors.js';
export { PolicyError } from './reuse/policy-error.js';
