import http, {
  type IncomingHttpHeaders,
  type IncomingMessage,
  type ServerResponse,
} from 'node:http';
import https from 'node:https';
import type { AddressInfo } from 'node:net';
import { later } from './cleanup.js';

export interface SeenRequest {
  /** With the query. */
  readonly path: string;
  readonly headers: IncomingHttpHeaders;
}

export interface TestServer {
  /** For example `http://127.0.0.1:12345`. */
  readonly origin: string;
  readonly host: string;
  readonly port: number;
  /** In the order of their arrival. */
  readonly requests: SeenRequest[];
  /** Of one path, or of all. */
  count(path?: string): number;
  close(): Promise<void>;
}

export type Handler = (request: IncomingMessage, response: ServerResponse) => void;

export interface TlsIdentity {
  readonly key: string;
  readonly cert: string;
}

/** A server on this machine, gone when the tests of the file are through. */
export async function serve(handler: Handler, tls?: TlsIdentity): Promise<TestServer> {
  const requests: SeenRequest[] = [];
  const listener: Handler = (request, response) => {
    requests.push({ path: request.url ?? '', headers: request.headers });
    response.on('error', () => {});
    handler(request, response);
  };
  const server = tls ? https.createServer(tls, listener) : http.createServer(listener);
  await new Promise<void>((resolve) => server.listen(0, '127.0.0.1', resolve));
  const { port } = server.address() as AddressInfo;
  const host = `127.0.0.1:${port}`;
  let closed: Promise<void> | undefined;
  const close = (): Promise<void> => {
    closed ??= new Promise((resolve) => {
      server.close(() => resolve());
      server.closeAllConnections();
    });
    return closed;
  };
  later(close);
  return {
    origin: `${tls ? 'https' : 'http'}://${host}`,
    host,
    port,
    requests,
    count: (path) =>
      requests.filter((request) => path === undefined || request.path === path).length,
    close,
  };
}

/** Answers by path, without the query; 404 elsewhere. */
export function routes(table: Readonly<Record<string, Handler>>): Handler {
  return (request, response) => {
    const path = (request.url ?? '').replace(/\?.*/, '');
    const handler = Object.hasOwn(table, path) ? table[path] : undefined;
    if (handler) handler(request, response);
    else response.writeHead(404).end('no such page');
  };
}

/** A port where nobody listens. */
export async function deadPort(): Promise<number> {
  const server = await serve(() => {});
  await server.close();
  return server.port;
}

export function redirect(
  location: string | (() => string),
  headers: Readonly<Record<string, string>> = {},
): Handler {
  return (_, response) => {
    const target = typeof location === 'string' ? location : location();
    response.writeHead(302, { ...headers, location: target }).end();
  };
}

export function text(content: string, type = 'text/html', headers = {}): Handler {
  return (_, response) => {
    response.writeHead(200, { 'content-type': type, ...headers }).end(content);
  };
}

export function status(code: number, headers: Readonly<Record<string, string>> = {}): Handler {
  return (_, response) => {
    response.writeHead(code, headers).end('refused');
  };
}

/** What is served may be changed between requests. */
export interface ServedFile {
  content: Buffer;
  etag?: string | undefined;
  modified?: string | undefined;
  /** Headers of every answer besides. */
  headers?: Readonly<Record<string, string>>;
  /** Whether parts can be asked for. Default true. */
  ranges?: boolean;
  /** Whether `If-Range` is heeded. Default true. */
  heedsIfRange?: boolean;
  /** Whether the length is said. Default true. */
  length?: boolean;
  /** For each request in turn: bytes of its answer after which the connection is cut. */
  cuts?: (number | undefined)[];
  /** Awaited before a cut, with the place in the file where it happens: a reset may overtake what was sent. */
  beforeCut?: (at: number) => Promise<void>;
  /** Bytes of the content after which nothing more is sent, and nothing ends. */
  silentAfter?: number | undefined;
}

/** A file server as they are: ETag, Last-Modified, Range and If-Range. */
export function file(served: ServedFile): Handler {
  return (request, response) => {
    const { content, etag, modified, headers, ranges = true, length = true } = served;
    const cut = served.cuts?.shift();
    response.setHeaders(new Map(Object.entries(headers ?? {})));
    if (etag !== undefined) response.setHeader('etag', etag);
    if (modified !== undefined) response.setHeader('last-modified', modified);
    const from = ranges ? startOf(request, served) : 0;
    if (from >= content.length && from > 0) {
      response.writeHead(416, { 'content-range': `bytes */${content.length}` }).end();
      return;
    }
    const body = content.subarray(from);
    if (length) response.setHeader('content-length', body.length);
    if (from > 0) {
      const range = `bytes ${from}-${content.length - 1}/${content.length}`;
      response.writeHead(206, { 'content-range': range });
    }
    const { silentAfter } = served;
    if (cut !== undefined) {
      response.flushHeaders();
      response.write(body.subarray(0, cut), () => {
        void (served.beforeCut?.(from + cut) ?? Promise.resolve()).then(() =>
          response.socket?.destroy(),
        );
      });
    } else if (silentAfter !== undefined) {
      response.flushHeaders();
      response.write(body.subarray(0, Math.max(0, silentAfter - from)));
    } else {
      // Else Node would find out the length by itself.
      if (!length) response.flushHeaders();
      response.end(body);
    }
  };
}

function startOf(request: IncomingMessage, served: ServedFile): number {
  const start = /^bytes=(\d+)-$/.exec(request.headers.range ?? '')?.[1];
  if (start === undefined) return 0;
  const condition = request.headers['if-range'];
  const { etag, modified, heedsIfRange = true } = served;
  if (heedsIfRange && condition !== undefined && condition !== etag && condition !== modified) {
    return 0;
  }
  return Number(start);
}
