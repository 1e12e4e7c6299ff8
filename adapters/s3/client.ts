import { MissingPackageError } from '../../lib/errors.js';

/** The part of an `S3Client` of the package `@aws-sdk/client-s3` that a store uses. */
export interface S3ClientLike {
  send(command: never, options?: { readonly abortSignal?: AbortSignal }): Promise<unknown>;
}

/** Where a bucket is, for a client of the store's own. What is left out comes from the environment, as the SDK does. */
export interface S3Connection {
  /** For servers other than AWS, for example `http://127.0.0.1:9000`. */
  readonly endpoint?: string;
  /** For example `eu-central-1`. */
  readonly region?: string;
  readonly credentials?: {
    readonly accessKeyId: string;
    readonly secretAccessKey: string;
    readonly sessionToken?: string;
  };
  /** Names the bucket in the path instead of the host; default true where there is an endpoint. */
  readonly forcePathStyle?: boolean;
}

/** What the store needs of the SDK, loaded when it is first used. */
export interface Sdk {
  readonly client: S3ClientLike;
  readonly commands: typeof import('@aws-sdk/client-s3');
  /** Ends the client if it is the store's own. */
  close(): void;
}

export interface OpenSdkOptions {
  readonly client: S3ClientLike | undefined;
  readonly connection: S3Connection;
  /** Calls that are made in all where the server fails. */
  readonly maxAttempts: number;
}

/** @throws MissingPackageError */
export async function openSdk({ client, connection, maxAttempts }: OpenSdkOptions): Promise<Sdk> {
  const commands = await loadSdk();
  if (client) return { client, commands, close: () => {} };
  const { endpoint, forcePathStyle = endpoint !== undefined } = connection;
  const own = new commands.S3Client({
    ...connection,
    forcePathStyle,
    maxAttempts,
    // Records have sums of their own, and not every server knows those of the SDK.
    requestChecksumCalculation: 'WHEN_REQUIRED',
    responseChecksumValidation: 'WHEN_REQUIRED',
  });
  return { client: own as S3ClientLike, commands, close: () => own.destroy() };
}

async function loadSdk(): Promise<typeof import('@aws-sdk/client-s3')> {
  try {
    return await import('@aws-sdk/client-s3');
  } catch (cause) {
    throw new MissingPackageError('@aws-sdk/client-s3', 'A store in S3', { cause });
  }
}
