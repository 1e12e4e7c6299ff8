import http, { type IncomingHttpHeaders, type IncomingMessage } from 'node:http';
import https from 'node:https';
import { HttpProxyAgent } from 'http-proxy-agent';
import { HttpsProxyAgent } from 'https-proxy-agent';
import { codeOf, messageOf, NetworkFailure, StatusFailure } from './failures.js';
import { isLoopback, withoutSecrets } from './source.js';

export type Environment = Readonly<Record<string, string | undefined>>;

/** What the user's settings say about a connection. */
export interface NetworkAccess {
  /** PEM certificates in place of Node's own. */
  readonly ca?: string | undefined;
  /** `host` or `host:port` that needs neither certificate nor encryption. */
  readonly trustedHosts?: readonly string[] | undefined;
  /** Proxy in place of the environment's. */
  readonly proxy?: string | undefined;
}

export interface NetworkOptions {
  readonly env: Environment;
  /** Milliseconds. */
  readonly connectTimeoutMs: number;
  /** Longest silence in milliseconds. */
  readonly idleTimeoutMs: number;
}

export interface GetOptions {
  readonly headers?: Readonly<Record<string, string>>;
  /** Sent to the origin of the first URL only, never after a redirect to another. */
  readonly authorization?: string | undefined;
  readonly access?: NetworkAccess | undefined;
  readonly signal?: AbortSignal | undefined;
}

export interface HttpResponse {
  readonly status: number;
  readonly headers: IncomingHttpHeaders;
  /** Headers of every answer, those of redirects first. */
  readonly hops: readonly IncomingHttpHeaders[];
  /** Where the answer came from, after redirects. */
  readonly url: URL;
  /** The content; throws NetworkFailure when it is cut short. Read it, or call `close`. */
  readonly body: AsyncIterable<Buffer>;
  close(): void;
}

const maxRedirects = 10;
const redirects = new Set([301, 302, 303, 307, 308]);

/**
 * GET requests that follow redirects, over Node's own http: the global fetch of Node 20 knows no proxy, no certificate
 * of its own and no limit on connecting, and it hides the headers of redirects. One connection a request.
 */
export class Network {
  readonly #options: NetworkOptions;

  constructor(options: NetworkOptions) {
    this.#options = options;
  }

  /**
   * Any final status is an answer.
   *
   * @throws NetworkFailure without an answer, StatusFailure when a proxy refuses, and the signal's reason when aborted.
   */
  async get(first: URL, options: GetOptions = {}): Promise<HttpResponse> {
    const { signal, access = {} } = options;
    const hops: IncomingHttpHeaders[] = [];
    let url = first;
    for (;;) {
      const trusted = isTrusted(url, access);
      assertAllowed(url, trusted);
      const answer = await this.#ask(url, first, options, trusted);
      const { headers, statusCode: status = 0 } = answer;
      hops.push(headers);
      if (!redirects.has(status) || headers.location === undefined) {
        const content = contentOf(answer, url, signal);
        const close = (): void => void answer.on('error', () => {}).destroy();
        return { status, headers, hops, url, body: content, close };
      }
      answer.on('error', () => {}).destroy();
      if (hops.length > maxRedirects) {
        throw new NetworkFailure(`${first.host} redirects in circles`, { transient: false });
      }
      url = nextUrl(headers.location, url);
    }
  }

  #ask(
    url: URL,
    first: URL,
    { headers, authorization, access = {}, signal }: GetOptions,
    trusted: boolean,
  ): Promise<IncomingMessage> {
    signal?.throwIfAborted();
    const { env, connectTimeoutMs, idleTimeoutMs } = this.#options;
    const secure = url.protocol === 'https:';
    const own =
      basicAuthorization(url) ??
      (url.origin === first.origin ? (authorization ?? basicAuthorization(first)) : undefined);
    const security = {
      ...(access.ca !== undefined && { ca: access.ca }),
      ...(trusted && { rejectUnauthorized: false }),
    };
    const proxy = proxyFor(url, env, access.proxy);
    // The request cannot be destroyed while its agent waits for the proxy: a signal reaches both.
    const late = new AbortController();
    const stop = signal ? AbortSignal.any([signal, late.signal]) : late.signal;
    const agent = proxy
      ? new (secure ? HttpsProxyAgent : HttpProxyAgent)(proxy, { ...security, signal: stop })
      : undefined;
    return new Promise((resolve, reject) => {
      const pending = (secure ? https : http).request(plainUrl(url), {
        agent: agent ?? false,
        headers: {
          'accept-encoding': 'identity',
          'user-agent': 'chunkweave',
          ...headers,
          ...(own !== undefined && { authorization: own }),
        },
        ...security,
        signal: stop,
      });
      const timer = setTimeout(() => {
        const seconds = connectTimeoutMs / 1000;
        late.abort(new NetworkFailure(`${url.host} did not connect within ${seconds} s`));
      }, connectTimeoutMs);
      // The agent would pass the proxy's own answer off as one of the host.
      pending.once('proxyConnect', ({ statusCode: status }: { statusCode: number }) => {
        if (status === 200) return;
        late.abort(new StatusFailure(status, `the proxy ${proxy?.host} answered ${status}`));
      });
      let answer: IncomingMessage | undefined;
      // With a proxy the socket comes when it is connected already.
      pending.once('socket', (socket) => {
        if (agent || !socket.connecting) clearTimeout(timer);
        else socket.once(secure ? 'secureConnect' : 'connect', () => clearTimeout(timer));
      });
      pending.setTimeout(connectTimeoutMs + idleTimeoutMs);
      pending.once('response', (message) => {
        clearTimeout(timer);
        answer = message;
        message.setTimeout(idleTimeoutMs, () => message.destroy(silent(url)));
        resolve(message);
      });
      pending.once('timeout', () => (answer ?? pending).destroy(silent(url)));
      pending.on('error', (error) => {
        clearTimeout(timer);
        reject(stop.aborted ? (stop.reason as Error) : explain(error, url));
      });
      pending.end();
    });
  }
}

/** The whole content as text. @throws NetworkFailure above `limit` bytes. */
export async function readText(response: HttpResponse, limit: number): Promise<string> {
  const blocks: Buffer[] = [];
  let size = 0;
  for await (const block of response.body) {
    size += block.length;
    if (size > limit) {
      response.close();
      throw new NetworkFailure(`${response.url.host} answers with more than ${limit} bytes`, {
        transient: false,
      });
    }
    blocks.push(block);
  }
  return Buffer.concat(blocks).toString('utf8');
}

export function statusFailure({ status, url, headers, close }: HttpResponse): StatusFailure {
  close();
  const after = Number(headers['retry-after']);
  const hint =
    status === 401 || status === 403 ? ': it wants credentials, or the terms accepted' : '';
  return new StatusFailure(
    status,
    `${url.host} answered ${status}${hint}`,
    Number.isFinite(after) && after > 0 ? Math.min(after, 60) * 1000 : undefined,
  );
}

/** The `Authorization` that the user and password in a URL stand for. */
export function basicAuthorization(url: URL): string | undefined {
  if (!url.username && !url.password) return undefined;
  const pair = `${decodeLenient(url.username)}:${decodeLenient(url.password)}`;
  return `Basic ${Buffer.from(pair).toString('base64')}`;
}

/** By `HTTPS_PROXY`, `HTTP_PROXY`, `ALL_PROXY` and `NO_PROXY`, in small letters first, as other tools read them. */
function proxyFor(url: URL, env: Environment, named: string | undefined): URL | undefined {
  const read = (name: string): string => env[name.toLowerCase()] || env[name] || '';
  const text =
    named || read(url.protocol === 'https:' ? 'HTTPS_PROXY' : 'HTTP_PROXY') || read('ALL_PROXY');
  if (!text || isExempt(url.hostname.toLowerCase(), read('NO_PROXY'))) return undefined;
  const address = /^https?:\/\//i.test(text) ? text : `http://${text}`;
  // Neither the text nor the cause is shown: there may be credentials in them.
  if (!URL.canParse(address)) {
    throw new NetworkFailure('the address of the proxy is no URL', { transient: false });
  }
  return new URL(address);
}

function isExempt(host: string, list: string): boolean {
  const plain = host.replaceAll(/^\[|\]$/g, '');
  return list
    .toLowerCase()
    .split(/[\s,]+/)
    .map((entry) => entry.replace(/^\*?\./, '').replace(/^(\[.*\]|[^:]*):\d+$/, '$1'))
    .filter(Boolean)
    .some((entry) => ['*', host, plain].includes(entry) || host.endsWith(`.${entry}`));
}

/** Credentials travel in a header, which follows the rules of redirects. */
function plainUrl(url: URL): URL {
  const copy = new URL(url);
  copy.username = '';
  copy.password = '';
  return copy;
}

function silent({ host }: URL): NetworkFailure {
  return new NetworkFailure(`${host} fell silent`);
}

function assertAllowed(url: URL, trusted: boolean): void {
  if (url.protocol === 'https:') return;
  if (url.protocol === 'http:' && (isLoopback(url.hostname) || trusted)) return;
  throw new NetworkFailure(`${withoutSecrets(url)} is not encrypted and was not asked`, {
    transient: false,
  });
}

function isTrusted(url: URL, { trustedHosts = [] }: NetworkAccess): boolean {
  const port = url.port || (url.protocol === 'https:' ? '443' : '80');
  const names = [url.hostname, `${url.hostname}:${port}`];
  return trustedHosts.some((host) => names.includes(host.toLowerCase()));
}

function nextUrl(location: string, from: URL): URL {
  if (!URL.canParse(location, from.href)) {
    throw new NetworkFailure(`${from.host} redirects to nowhere`, { transient: false });
  }
  return new URL(location, from);
}

async function* contentOf(
  answer: IncomingMessage,
  url: URL,
  signal: AbortSignal | undefined,
): AsyncGenerator<Buffer> {
  try {
    for await (const block of answer) yield block as Buffer;
  } catch (error) {
    signal?.throwIfAborted();
    throw explain(error, url);
  }
}

function decodeLenient(text: string): string {
  try {
    return decodeURIComponent(text);
  } catch {
    return text;
  }
}

const hopeless = /^(ENOTFOUND|EAI_AGAIN|ECONNREFUSED|EHOSTUNREACH|ENETUNREACH)$/;
const untrusted =
  /^(CERT_|DEPTH_ZERO_SELF_SIGNED|SELF_SIGNED|UNABLE_TO_|ERR_TLS_CERT|ERR_OSSL_PEM)/;

function explain(error: unknown, { host }: URL): NetworkFailure {
  if (error instanceof NetworkFailure) return error;
  const code = codeOf(error) ?? codeOf((error as { cause?: unknown } | null)?.cause) ?? '';
  if (hopeless.test(code)) {
    const problem =
      code.startsWith('E') && /NOTFOUND|AGAIN/.test(code) ? 'is unknown here' : 'cannot be reached';
    return new NetworkFailure(`${host} ${problem} (${code})`, { cause: error, transient: false });
  }
  if (untrusted.test(code)) {
    return new NetworkFailure(
      `the certificate of ${host} is not trusted (${code}); name its authority in NODE_EXTRA_CA_CERTS, or in PIP_CERT for a package index`,
      { cause: error, transient: false },
    );
  }
  return new NetworkFailure(`the connection to ${host} failed: ${code || messageOf(error)}`, {
    cause: error,
  });
}
