import type {
  ChunkStore,
  Document,
  Embedder,
  IngestProgress,
  KvBudget,
  KvEngine,
  Retriever,
  WeaveOptions,
} from '../../lib/index.js';
import type { SkippedFile } from '../fs/index.js';
import type { DeviceChoice } from '../ggml/index.js';

/** A model to load, or an engine that is there: never both. */
export type EngineChoice =
  | {
      /** An alias, a path or any source that `resolveModel` takes; default `smollm2-135m-instruct`. */
      readonly model?: string;
      /** Of the model, and of an embedder that is named; default `auto`. */
      readonly device?: DeviceChoice;
      /** Threads on the CPU; default the number of cores. */
      readonly threads?: number;
      readonly engine?: never;
    }
  | {
      /** Stays the caller's. */
      readonly engine: KvEngine;
      readonly model?: never;
      readonly device?: never;
      readonly threads?: never;
    };

/** What finds passages: words alone, words joined with an embedder's vectors, or a retriever of one's own. */
export type SearchChoice =
  | {
      /**
       * Finds by meaning as well: an alias (`all-minilm-l6-v2`), a path or another source of a model, or an embedder, which
       * stays the caller's. Default none: BM25 alone. All passages are embedded each time that documents are opened.
       */
      readonly embedder?: string | Embedder;
      readonly retriever?: never;
    }
  | {
      readonly retriever: Retriever;
      readonly embedder?: never;
    };

/** Where chunk KV is kept: a folder behind memory, or a store of one's own. */
export type KvChoice =
  | {
      /** Default `kv` in the cache folder, which the program uses as well; `false` keeps none on disk. */
      readonly kvFolder?: string | false;
      readonly store?: never;
    }
  | {
      /** Stays the caller's. */
      readonly store: ChunkStore;
      readonly kvFolder?: never;
    };

/** What is there is opened, what is named is loaded; the rest is as for `createWeave`. */
export type OpenWeaveOptions = Omit<WeaveOptions, 'embedder' | 'engine' | 'retriever' | 'store'> & {
  /** A folder or file, or documents; default none, which leaves it to `ingest`. */
  readonly documents?: string | Iterable<Document> | AsyncIterable<Document>;
  /** How much chunk KV to make while opening; default none: it is made when a question first needs it, and kept. */
  readonly budget?: KvBudget;
  readonly signal?: AbortSignal;
  readonly onProgress?: (step: OpenProgress) => void;
} & EngineChoice &
  SearchChoice &
  KvChoice;

/** What happens while a weave is opened. */
export type OpenProgress =
  /** Of a model, as a share in [0, 1]. */
  | {
      readonly phase: 'download' | 'load';
      readonly of: 'model' | 'embedder';
      readonly share: number;
    }
  /** A file that gives no document, and why. Files with other extensions are left out without a word. */
  | { readonly phase: 'skip'; readonly file: SkippedFile }
  | IngestProgress;
