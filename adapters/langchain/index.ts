/** LangChain.js 1.x over chunkweave: a chat model that weaves documents, and the parts of retrieval. */

export {
  ChatChunkweave,
  type ChatChunkweaveCallOptions,
  type ChatChunkweaveFields,
} from './chat/chat-model.js';
export type { ChunkweaveResponseMetadata } from './chat/metadata.js';
export { ChunkweaveCompressor, type ChunkweaveCompressorFields } from './compressor.js';
export { ChunkweaveEmbeddings, type ChunkweaveEmbeddingsFields } from './embeddings.js';
export { fromLangChainModel, type FromLangChainOptions } from './language-model.js';
export { type DocumentBlock, documentBlocks, documentsText } from './messages/prompt-document.js';
export { PeerVersionError } from './peer.js';
export { ChunkweaveRetriever, type ChunkweaveRetrieverFields } from './retriever.js';
export type { FoundMetadata } from './scored-documents.js';
export {
  type ChunkPlace,
  ChunkweaveTextSplitter,
  type ChunkweaveTextSplitterFields,
  type SplitOptions,
} from './text-splitter.js';
export { ChunkweaveVectorStore, type ChunkweaveVectorStoreFields } from './vector-store.js';
export {
  createWeaveChain,
  type WeaveChainInput,
  type WeaveChainOptions,
  type WeaveChainOutput,
} from './weave-chain.js';
