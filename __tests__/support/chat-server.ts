import { createServer, type IncomingMessage, type ServerResponse } from 'node:http';
import type { AddressInfo } from 'node:net';

export interface SeenRequest {
  readonly path: string;
  readonly headers: IncomingMessage['headers'];
  readonly body: Readonly<Record<string, unknown>>;
}

export type Reply = (response: ServerResponse, request: SeenRequest) => unknown;

/** A local server that answers requests by a script, one reply each; the last of them is given again and again. */
export class ChatServer implements AsyncDisposable {
  readonly seen: SeenRequest[] = [];
  /** Requests whose connection is open. */
  open = 0;
  readonly #server;
  #replies: Reply[] = [];

  constructor() {
    this.#server = createServer(async (request, response) => {
      this.open++;
      response.on('close', () => this.open--);
      let text = '';
      for await (const piece of request) text += String(piece);
      const seen = {
        path: request.url ?? '',
        headers: request.headers,
        body: JSON.parse(text) as Record<string, unknown>,
      };
      this.seen.push(seen);
      const reply = this.#replies.length > 1 ? this.#replies.shift() : this.#replies[0];
      await reply?.(response, seen);
    });
  }

  async start(): Promise<string> {
    await new Promise<void>((resolve) => this.#server.listen(0, '127.0.0.1', resolve));
    return `http://127.0.0.1:${(this.#server.address() as AddressInfo).port}/v1`;
  }

  reply(...replies: Reply[]): void {
    this.seen.length = 0;
    this.#replies = replies;
  }

  /** Resolves when no connection holds a request any more. */
  async idle(): Promise<void> {
    while (this.open > 0) await new Promise((resolve) => setTimeout(resolve, 2));
  }

  async [Symbol.asyncDispose](): Promise<void> {
    this.#server.closeAllConnections();
    await new Promise((resolve) => this.#server.close(resolve));
  }
}

export const status =
  (code: number, text = '', headers: Readonly<Record<string, string>> = {}): Reply =>
  (response) =>
    response.writeHead(code, { ...headers }).end(text);

export const json =
  (body: unknown): Reply =>
  (response) =>
    response.writeHead(200, { 'content-type': 'application/json' }).end(JSON.stringify(body));

export interface StreamReplyOptions {
  readonly usage?: object;
  readonly finish?: string;
  /** Cuts the bytes into pieces of this size, wherever that falls. */
  readonly cut?: number;
}

const event = (data: object) => `data: ${JSON.stringify(data)}\n\n`;

/** The bytes of a whole answer as server-sent events. */
export function eventBytes(texts: readonly string[], options: StreamReplyOptions = {}): Buffer {
  const { finish = 'stop', usage } = options;
  return Buffer.from(
    [
      ': hello\n\n',
      event({ choices: [{ index: 0, delta: { role: 'assistant' }, finish_reason: null }] }),
      ...texts.map((content) => event({ choices: [{ index: 0, delta: { content } }] })),
      event({ choices: [{ index: 0, delta: {}, finish_reason: finish }] }),
      ...(usage ? [event({ choices: [], usage })] : []),
      'data: [DONE]\n\n',
    ].join(''),
  );
}

export const events =
  (texts: readonly string[], options: StreamReplyOptions = {}): Reply =>
  async (response) => {
    response.writeHead(200, { 'content-type': 'text/event-stream' });
    const bytes = eventBytes(texts, options);
    const { cut = bytes.length } = options;
    for (let at = 0; at < bytes.length; at += cut) {
      response.write(bytes.subarray(at, at + cut));
      await new Promise((resolve) => setImmediate(resolve));
    }
    response.end();
  };
