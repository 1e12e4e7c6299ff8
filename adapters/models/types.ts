/** Under which terms a model may be used. */
export interface ModelLicence {
  /** SPDX identifier, or the name of the terms. */
  readonly id: string;
  /** Where the full text is. */
  readonly url?: string;
  /** What must be said before the download. */
  readonly notice?: string;
}

/** A short name for a model: where it can be had, and what must come. */
export interface ModelAlias {
  /** One line for a list. */
  readonly description: string;
  /** Tried in this order. Several sources joined by ` + ` are parts of one file. */
  readonly sources: readonly string[];
  /** SHA-256 of the file in hex, when it was verified by whoever wrote the alias. All sources must give it. */
  readonly sha256?: string;
  /** Size of the file in bytes: exact with `sha256`, else about. */
  readonly bytes?: number;
  readonly licence: ModelLicence;
  /** Name of the file in the cache. Default: the last part of the first source. */
  readonly fileName?: string;
}

export type ModelAliases = Readonly<Record<string, ModelAlias>>;

/**
 * What vouches for a file's content. `pinned`: a SHA-256 known beforehand. `published`: the hash that the hub or
 * package index publishes for it. `none`: nobody stated a hash.
 */
export type Verification = 'pinned' | 'published' | 'none';

/** A model file that is there and can be opened. */
export interface ResolvedModel {
  /** Absolute path of the file. */
  readonly path: string;
  /** Where it came from, without credentials. */
  readonly source: string;
  /** SHA-256 in hex. Undefined only for a local file that nobody asked to verify. */
  readonly sha256: string | undefined;
  /** Size of the file. */
  readonly bytes: number;
  readonly verification: Verification;
  /** True when nothing had to be fetched. */
  readonly cached: boolean;
  /** The alias that was asked for. */
  readonly alias?: string;
  readonly licence?: ModelLicence;
}

export interface ModelProgress {
  /** Bytes of the download that are on disk, those of an earlier attempt included. */
  readonly bytes: number;
  /** Bytes of the whole download; undefined when the server does not say. */
  readonly total: number | undefined;
  /** Bytes a second over the last few seconds. */
  readonly bytesPerSecond: number;
}

/** Something worth one line to a person. */
export interface ModelNotice {
  /**
   * `licence`: terms, before the download. `source`: a source is being fetched. `skipped`: a source gave nothing,
   * the next one is tried. `retry`: the connection broke. `resume`: an earlier download goes on. `waiting`: another
   * process is fetching the same model. `converting`: a model file is made of what came. `unverified`: nobody pinned a
   * hash for what comes. `damaged`: a file in the cache is not what it was.
   */
  readonly kind:
    | 'licence'
    | 'source'
    | 'skipped'
    | 'retry'
    | 'resume'
    | 'waiting'
    | 'converting'
    | 'unverified'
    | 'damaged';
  /** One line, without credentials. */
  readonly message: string;
}

/** Where models are kept and which names are known. */
export interface ModelStoreOptions {
  /**
   * Folder of the models. Default: `models` in `CHUNKWEAVE_CACHE`, or else in the platform's cache folder for
   * this user.
   */
  readonly cacheDirectory?: string;
  /** Environment to read settings from. Default `process.env`. */
  readonly env?: Readonly<Record<string, string | undefined>>;
  /** Folder that relative paths start from. Default: the current one. */
  readonly cwd?: string;
  /** Further aliases; they win over the built-in ones of the same name. */
  readonly aliases?: ModelAliases;
}

export interface ResolveModelOptions extends ModelStoreOptions {
  /** SHA-256 in hex that the file must have. */
  readonly sha256?: string;
  /** Only look, never fetch. Default false. */
  readonly offline?: boolean;
  /** Read the whole file again and compare its hash even if it is in the cache. Default false: size only. */
  readonly verify?: boolean;
  /** Stops the work; what was downloaded is kept for the next time. */
  readonly signal?: AbortSignal;
  /** Called at most ten times a second while bytes arrive. */
  readonly onProgress?: (progress: ModelProgress) => void;
  readonly onNotice?: (notice: ModelNotice) => void;
  /** Longest wait for a connection, name lookup and TLS included, in milliseconds. Default 5000. */
  readonly connectTimeoutMs?: number;
  /** Longest silence of a server, in milliseconds. Default 30000. */
  readonly idleTimeoutMs?: number;
  /** How often a broken download is taken up again without a byte gained in between. Default 5. */
  readonly retries?: number;
}
