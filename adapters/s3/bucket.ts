import { attempt } from '../../lib/store/tiered/attempt.js';
import { BadRecord } from '../record/bad-record.js';
import { uninitialised } from '../record/byte-source.js';
import { ServerFailure } from '../record/server-failure.js';
import { openSdk, type OpenSdkOptions, type Sdk } from './client.js';

export interface BucketOptions extends OpenSdkOptions {
  readonly bucket: string;
  readonly timeoutMs: number;
}

export interface CallOptions {
  readonly signal?: AbortSignal | undefined;
  /** Milliseconds until the call is late; default the bucket's. */
  readonly timeoutMs?: number;
}

/** A run of an object's bytes. */
export interface Part {
  readonly bytes: Uint8Array;
  /** Bytes of the whole object. */
  readonly total: number;
  /** Says which object it was: another one under the same name has another. */
  readonly etag: string;
}

export interface PartOptions extends CallOptions {
  readonly from: number;
  /** Excluded; default to the end. What is beyond the object is left out. */
  readonly to?: number;
  /** Only of the object that this stands for. */
  readonly etag?: string;
  /** More than so many bytes are not taken. */
  readonly maxBytes: number;
  /** Where they are put, if there are just as many; default memory of their own. */
  readonly into?: Uint8Array;
}

/** What a call came to that the server understood and did not do. */
export type Refusal = 'absent' | 'changed' | 'unsupported';

/** Calls to one bucket, each within a deadline. A server that cannot be reached or fails is a {@link ServerFailure}. */
export class Bucket {
  readonly timeoutMs: number;
  readonly #options: BucketOptions;
  #opening: Promise<Sdk> | undefined;

  constructor(options: BucketOptions) {
    this.#options = options;
    this.timeoutMs = options.timeoutMs;
  }

  /** @throws ServerFailure, BadRecord where it is larger than may be, MissingPackageError, the signal's reason */
  async read(name: string, options: PartOptions): Promise<Part | Refusal> {
    const { from, to, etag, maxBytes, into } = options;
    return this.#call(options, async ({ client, commands }, bucket, abortSignal) => {
      const command = new commands.GetObjectCommand({
        ...bucket,
        Key: name,
        Range: `bytes=${from}-${to === undefined ? '' : to - 1}`,
        ...(etag !== undefined && { IfMatch: etag }),
      });
      const reply = (await client.send(command as never, { abortSignal })) as GetReply;
      const total = Number(/\/(\d+)$/.exec(reply.ContentRange ?? '')?.[1] ?? reply.ContentLength);
      const length = Number(reply.ContentLength);
      if (!(length >= 0 && length <= maxBytes && total >= length)) {
        reply.Body?.destroy?.();
        throw new BadRecord(`it has ${total} bytes, more than may be`);
      }
      const target = into?.byteLength === length ? into : uninitialised(length);
      await collect(reply.Body, target);
      return { bytes: target, total, etag: reply.ETag ?? '' };
    });
  }

  /**
   * Writes an object as a whole. `changed` where the condition does not hold.
   * @param options `condition`: only where there is no such object yet, or this very one.
   */
  async write(
    name: string,
    bytes: Uint8Array,
    {
      condition,
      ...call
    }: CallOptions & { readonly condition?: 'new' | { readonly etag: string } } = {},
  ): Promise<{ readonly etag: string } | Refusal> {
    return this.#call(call, async ({ client, commands }, bucket, abortSignal) => {
      const command = new commands.PutObjectCommand({
        ...bucket,
        Key: name,
        Body: bytes,
        ContentLength: bytes.byteLength,
        ContentType: 'application/octet-stream',
        ...(condition === 'new' && { IfNoneMatch: '*' }),
        ...(typeof condition === 'object' && { IfMatch: condition.etag }),
      });
      const reply = (await client.send(command as never, { abortSignal })) as { ETag?: string };
      return { etag: reply.ETag ?? '' };
    });
  }

  /** Bytes of an object. */
  async size(name: string, call: CallOptions = {}): Promise<number | Refusal> {
    return this.#call(call, async ({ client, commands }, bucket, abortSignal) => {
      const command = new commands.HeadObjectCommand({ ...bucket, Key: name });
      const reply = (await client.send(command as never, { abortSignal })) as {
        ContentLength?: number;
      };
      return reply.ContentLength ?? 0;
    });
  }

  /** Removes an object, whether there is one or not. */
  async remove(name: string, call: CallOptions = {}): Promise<undefined | Refusal> {
    return this.#call(call, async ({ client, commands }, bucket, abortSignal) => {
      const command = new commands.DeleteObjectCommand({ ...bucket, Key: name });
      await client.send(command as never, { abortSignal });
      return undefined;
    });
  }

  /** Names and sizes of all objects whose names begin so, a page at a time. */
  async *list(prefix: string, call: CallOptions = {}): AsyncGenerator<Listed[]> {
    let token: string | undefined;
    do {
      const from = token;
      const page = await this.#call(call, async ({ client, commands }, bucket, abortSignal) => {
        const command = new commands.ListObjectsV2Command({
          ...bucket,
          Prefix: prefix,
          ...(from !== undefined && { ContinuationToken: from }),
        });
        return (await client.send(command as never, { abortSignal })) as ListReply;
      });
      if (typeof page === 'string') throw new ServerFailure(`its list is ${page}`);
      yield (page.Contents ?? []).flatMap(({ Key, Size }) =>
        Key === undefined ? [] : [{ name: Key, bytes: Size ?? 0 }],
      );
      token = page.IsTruncated ? page.NextContinuationToken : undefined;
    } while (token !== undefined);
  }

  async close(): Promise<void> {
    const sdk = await this.#opening?.catch(() => undefined);
    sdk?.close();
  }

  async #call<T>(
    { signal, timeoutMs = this.timeoutMs }: CallOptions,
    work: (sdk: Sdk, bucket: { Bucket: string }, abortSignal: AbortSignal) => Promise<T>,
  ): Promise<T | Refusal> {
    this.#opening ??= openSdk(this.#options);
    // A package that is missing is not the server's failure.
    const sdk = await this.#opening;
    let bad: BadRecord | undefined;
    const { outcome } = attempt<T | Refusal>(
      async (abortSignal) => {
        try {
          return await work(sdk, { Bucket: this.#options.bucket }, abortSignal);
        } catch (error) {
          if (error instanceof BadRecord) bad = error;
          const refusal = refusalOf(error);
          if (refusal) return refusal;
          throw new Error(problemOf(error), { cause: error });
        }
      },
      { deadlineMs: timeoutMs, signal },
    );
    const result = await outcome;
    if (result.ok) return result.value;
    throw bad ?? new ServerFailure(result.problem, result.reason);
  }
}

export interface Listed {
  readonly name: string;
  readonly bytes: number;
}

interface GetReply {
  readonly Body?: (AsyncIterable<Uint8Array> & { destroy?(): void }) | undefined;
  readonly ContentLength?: number;
  readonly ContentRange?: string;
  readonly ETag?: string;
}

interface ListReply {
  readonly Contents?: readonly { readonly Key?: string; readonly Size?: number }[];
  readonly IsTruncated?: boolean;
  readonly NextContinuationToken?: string;
}

/** Fills memory with a body, which must be just as long. */
async function collect(body: GetReply['Body'], target: Uint8Array): Promise<void> {
  const { byteLength } = target;
  let at = 0;
  for await (const piece of body ?? []) {
    if (at + piece.byteLength > byteLength)
      throw new BadRecord('it is longer than its server says');
    target.set(piece, at);
    at += piece.byteLength;
  }
  if (at < byteLength) throw new Error(`only ${at} of ${byteLength} bytes came`);
}

function refusalOf(error: unknown): Refusal | undefined {
  const { name, $metadata } = error as { name?: string; $metadata?: { httpStatusCode?: number } };
  const status = $metadata?.httpStatusCode;
  // A bucket that is not there is a failure: whoever looks must come to know.
  if (name === 'NoSuchBucket') return undefined;
  if (status === 404) return 'absent';
  // An object without any bytes has no range.
  if (status === 416) return 'absent';
  // Two who wrote at the same moment: one of them was told so.
  if (status === 412 || status === 409) return 'changed';
  if (status === 501) return 'unsupported';
  return undefined;
}

/** Of an attempt at several addresses, the first one's problem: the whole has no message of its own. */
function problemOf(error: unknown): string {
  const inner: unknown = error instanceof AggregateError ? error.errors[0] : error;
  const { name, message } = inner as { name?: string; message?: string };
  const text = [name, message].filter((part) => part && part !== 'Error').join(': ');
  return text === '' ? String(inner) : text;
}
