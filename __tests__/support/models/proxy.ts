import http, { type IncomingMessage } from 'node:http';
import net, { type AddressInfo } from 'node:net';
import { later } from './cleanup.js';

export interface TestProxy {
  readonly url: string;
  readonly host: string;
  /** `CONNECT host:port` or `GET http://…`, in their order. */
  readonly seen: string[];
  /** What `Proxy-Authorization` said, for each. */
  readonly credentials: (string | undefined)[];
}

export interface ProxyOptions {
  /** What every CONNECT is answered with, in place of a tunnel; '' for silence. */
  readonly answer?: string;
}

/** An HTTP proxy that tunnels, and passes plain requests on. */
export async function startProxy({ answer }: ProxyOptions = {}): Promise<TestProxy> {
  const seen: string[] = [];
  const credentials: (string | undefined)[] = [];
  const sockets = new Set<net.Socket>();
  const note = (request: IncomingMessage): void => {
    seen.push(`${request.method} ${request.url}`);
    credentials.push(request.headers['proxy-authorization']);
  };
  const server = http.createServer((request, response) => {
    note(request);
    if (answer === '') return;
    const { 'proxy-authorization': _, 'proxy-connection': __, ...headers } = request.headers;
    const onward = http.get(request.url!, { headers }, (reply) => {
      response.writeHead(reply.statusCode!, reply.headers);
      reply.pipe(response);
    });
    onward.on('error', () => response.writeHead(502).end());
  });
  server.on('connection', (socket) => {
    sockets.add(socket);
    socket.on('error', () => {}).on('close', () => sockets.delete(socket));
  });
  server.on('connect', (request, socket, head) => {
    note(request);
    if (answer === '') return;
    if (answer !== undefined) {
      socket.end(answer);
      return;
    }
    const [host = '', port = ''] = request.url!.split(':');
    const target = net.connect(Number(port), host, () => {
      socket.write('HTTP/1.1 200 Connection established\r\n\r\n');
      target.write(head);
      target.pipe(socket).pipe(target);
    });
    target.on('error', () => socket.destroy());
    socket.on('error', () => target.destroy());
  });
  await new Promise<void>((resolve) => server.listen(0, '127.0.0.1', resolve));
  later(async () => {
    for (const socket of sockets) socket.destroy();
    await new Promise((resolve) => server.close(resolve));
  });
  const host = `127.0.0.1:${(server.address() as AddressInfo).port}`;
  return { url: `http://${host}`, host, seen, credentials };
}
