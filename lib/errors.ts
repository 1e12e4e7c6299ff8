/**
 * Every failure that chunkweave reports on purpose is a {@link ChunkweaveError}. Each class below is one
 * failure that a caller can act on; its message says what was wrong and what to do about it.
 */

const marker = Symbol.for('chunkweave.error');

/** Base of all errors of this package. `code` is stable across versions; messages are not. */
export class ChunkweaveError extends Error {
  /** Stable identifier, for example `CONTEXT_OVERFLOW`. */
  readonly code: string;
  readonly [marker] = true;

  constructor(code: string, message: string, options?: { cause?: unknown }) {
    super(message, options);
    this.code = code;
    this.name = new.target.name;
  }

  /** True for errors of any copy of this package in the process, unlike `instanceof`. */
  static isInstance(value: unknown): value is ChunkweaveError {
    return typeof value === 'object' && value !== null && marker in value;
  }
}

/** An argument is outside what the function takes; nothing was changed. */
export class InvalidArgumentError extends ChunkweaveError {
  constructor(message: string, options?: { cause?: unknown }) {
    super('INVALID_ARGUMENT', message, options);
  }
}

/** The object was used after `dispose()`. */
export class DisposedError extends ChunkweaveError {
  constructor(what: string) {
    super('DISPOSED', `The ${what} was already disposed. Create a new one.`);
  }
}

/** The prompt does not fit into the cells or the context that are there. */
export class ContextOverflowError extends ChunkweaveError {
  /** Tokens that were asked for. */
  readonly needed: number;
  /** Tokens that fit. */
  readonly available: number;

  constructor(needed: number, available: number, advice: string) {
    super('CONTEXT_OVERFLOW', `${needed} tokens are needed but only ${available} fit. ${advice}`);
    this.needed = needed;
    this.available = available;
  }
}

/** Cells hold no usable keys and values: their layers were never loaded, or a write was aborted. */
export class StaleCellError extends ChunkweaveError {
  constructor(detail: string) {
    super('STALE_CELL', `${detail} Splice, refresh or drop them before they are attended to.`);
  }
}

/** Chunk KV was made by another model, or its shape does not fit the model. */
export class KvMismatchError extends ChunkweaveError {
  constructor(detail: string) {
    super('KV_MISMATCH', `${detail} Encode the chunk again with this model.`);
  }
}

/** The file is not a model that can be read: no GGUF, cut short, a tensor missing or misshapen. */
export class ModelFileError extends ChunkweaveError {
  readonly path: string;

  constructor(path: string, problem: string, options?: { cause?: unknown }) {
    super('MODEL_FILE', `Cannot load the model file ${path}: ${problem}`, options);
    this.path = path;
  }
}

/** The model's architecture is not one that the engine builds. */
export class UnsupportedArchitectureError extends ChunkweaveError {
  readonly architecture: string;
  readonly supported: readonly string[];

  constructor(architecture: string, supported: readonly string[], detail = '') {
    super(
      'UNSUPPORTED_ARCHITECTURE',
      `The architecture "${architecture}" is not supported${detail && ` (${detail})`}. Supported: ${supported.join(', ')}.`,
    );
    this.architecture = architecture;
    this.supported = supported;
  }
}

/** No native libraries were found for this platform, or they could not be loaded. */
export class NativeLibraryError extends ChunkweaveError {
  constructor(message: string, options?: { cause?: unknown }) {
    super('NATIVE_LIBRARY', message, options);
  }
}

/** The device that was asked for is not there, or cannot run the model. */
export class DeviceError extends ChunkweaveError {
  constructor(message: string, options?: { cause?: unknown }) {
    super('DEVICE', message, options);
  }
}

/** The backend could not allocate what the model or the arena needs. */
export class OutOfMemoryError extends ChunkweaveError {
  readonly bytes: number;

  constructor(what: string, bytes: number, device: string) {
    super(
      'OUT_OF_MEMORY',
      `${device} has no room for ${(bytes / 1e6).toFixed(0)} MB of ${what}. Use a smaller model or fewer cells, or another device.`,
    );
    this.bytes = bytes;
  }
}

/** The native compute reported a failure. The engine stays usable. */
export class ComputeError extends ChunkweaveError {
  constructor(message: string, options?: { cause?: unknown }) {
    super('COMPUTE', message, options);
  }
}

/** An optional package is not installed; the message names the command that installs it. */
export class MissingPackageError extends ChunkweaveError {
  readonly packageName: string;

  constructor(packageName: string, purpose: string, options?: { cause?: unknown }) {
    super(
      'MISSING_PACKAGE',
      `${purpose} needs the package ${packageName}. Run: npm install ${packageName}`,
      options,
    );
    this.packageName = packageName;
  }
}

/** A model could not be found, fetched or verified. */
export class ModelSourceError extends ChunkweaveError {
  readonly source: string;

  constructor(source: string, message: string, options?: { cause?: unknown }) {
    super('MODEL_SOURCE', message, options);
    this.source = source;
  }
}

/** The grammar, the JSON schema or another sampling option cannot be used. */
export class SamplingError extends ChunkweaveError {
  constructor(message: string, options?: { cause?: unknown }) {
    super('SAMPLING', message, options);
  }
}

/** Text could not be turned into tokens, or back. */
export class TokenizerError extends ChunkweaveError {
  constructor(message: string, options?: { cause?: unknown }) {
    super('TOKENIZER', message, options);
  }
}

/** The chat template of the model cannot be rendered or split. */
export class ChatTemplateError extends ChunkweaveError {
  constructor(message: string, options?: { cause?: unknown }) {
    super('CHAT_TEMPLATE', message, options);
  }
}

/** A document, or a folder of them, cannot be read as text. */
export class DocumentError extends ChunkweaveError {
  readonly path: string;

  constructor(path: string, problem: string, options?: { cause?: unknown }) {
    super('DOCUMENT', `${path}: ${problem}`, options);
    this.path = path;
  }
}

/** A search could not be made at all: every retriever or the judge behind it failed. */
export class RetrievalError extends ChunkweaveError {
  constructor(message: string, options?: { cause?: unknown }) {
    super('RETRIEVAL', message, options);
  }
}

/** A chunk-KV store cannot be used. A single bad record is a miss instead, never an error. */
export class StoreError extends ChunkweaveError {
  constructor(message: string, options?: { cause?: unknown }) {
    super('STORE', message, options);
  }
}

/** A vector index was made for another embedder, dimension or metric: its vectors mean something else. */
export class IndexMismatchError extends ChunkweaveError {
  constructor(detail: string) {
    super(
      'INDEX_MISMATCH',
      `${detail} Use the embedder and metric that it was made for, or make the index anew.`,
    );
  }
}

/** The bytes of a saved vector index are damaged, cut short, or no index at all. */
export class IndexFileError extends ChunkweaveError {
  constructor(problem: string, options?: { cause?: unknown }) {
    super(
      'INDEX_FILE',
      `The saved vector index cannot be read: ${problem}. Make the index anew, or take a copy.`,
      options,
    );
  }
}

/** A vector index could not do what it was asked to: its database, its file or its native part failed. */
export class VectorIndexError extends ChunkweaveError {
  /** `late` where it did not answer in time: it may have done it nevertheless. */
  readonly reason: 'late' | 'failed';

  constructor(
    message: string,
    options: { readonly reason?: 'late' | 'failed'; readonly cause?: unknown } = {},
  ) {
    super('VECTOR_INDEX', message, { cause: options.cause });
    this.reason = options.reason ?? 'failed';
  }
}

/** A model behind an API did not answer, or not in a way that can be used. */
export class RemoteError extends ChunkweaveError {
  /**
   * `refused`: the request is wrong, or not allowed. `busy`: too many requests. `failed`: the server's own failure.
   * `unreachable`: no connection. `late`: no answer in time. `truncated`: the answer broke off. `malformed`: it is none.
   */
  readonly reason:
    | 'refused'
    | 'busy'
    | 'failed'
    | 'unreachable'
    | 'late'
    | 'truncated'
    | 'malformed';
  /** HTTP status, where it was not 2xx. */
  readonly status?: number;
  /** Milliseconds that the server asks to wait. */
  readonly retryAfterMs?: number;

  constructor(problem: {
    readonly reason: RemoteError['reason'];
    readonly message: string;
    readonly status?: number;
    readonly retryAfterMs?: number;
    readonly cause?: unknown;
  }) {
    super('REMOTE', problem.message, { cause: problem.cause });
    this.reason = problem.reason;
    if (problem.status !== undefined) this.status = problem.status;
    if (problem.retryAfterMs !== undefined) this.retryAfterMs = problem.retryAfterMs;
  }

  /** The same request may succeed later. */
  get mayPass(): boolean {
    return ['busy', 'failed', 'unreachable', 'late'].includes(this.reason);
  }
}
