import { afterAll } from '@jest/globals';
import { once } from 'node:events';
import { createServer, connect, type Server, type Socket } from 'node:net';

export interface LinkOptions {
  /** Milliseconds that bytes take in each direction; default 0. */
  readonly latencyMs?: number;
  /** Bytes a second that come back; default as fast as it goes. */
  readonly bytesPerSecond?: number;
}

/** A link to a server on this machine, as slow as it is asked to be. */
export interface SlowLink {
  readonly port: number;
  /** From now on. */
  change(options: LinkOptions): void;
}

const open = new Set<Server>();
const sockets = new Set<Socket>();

afterAll(() => {
  for (const socket of sockets) socket.destroy();
  for (const server of open) server.close();
});

/** Ends with the tests of the file. Closes what either side closes. */
export async function slowLink(port: number, options: LinkOptions = {}): Promise<SlowLink> {
  let how = options;
  const server = createServer((near) => {
    const far = connect(port, '127.0.0.1');
    for (const socket of [near, far]) {
      sockets.add(socket);
      socket.setNoDelay(true);
      socket.on('error', () => {});
      socket.once('close', () => {
        sockets.delete(socket);
        near.destroy();
        far.destroy();
      });
    }
    carry(near, far, () => ({ ...how, bytesPerSecond: Infinity }));
    carry(far, near, () => how);
  });
  open.add(server);
  server.listen(0, '127.0.0.1');
  await once(server, 'listening');
  const address = server.address();
  if (typeof address !== 'object' || !address) throw new Error('the link has no port');
  return {
    port: address.port,
    change: (options) => {
      how = options;
    },
  };
}

/** Pieces small enough that a trickle is one. */
const pieceMs = 10;

/** Hands on what comes, each byte after its latency and no faster than the link; holds up who sends more. */
function carry(from: Socket, to: Socket, how: () => LinkOptions): void {
  const waiting: { bytes: Buffer; due: number }[] = [];
  let busy = false;
  const run = async (): Promise<void> => {
    if (busy) return;
    busy = true;
    for (let next = waiting.shift(); next; next = waiting.shift()) {
      await sleep(next.due - performance.now());
      for (let at = 0; at < next.bytes.length && !to.destroyed;) {
        const { bytesPerSecond = Infinity } = how();
        const length = Math.max(1, Math.floor((bytesPerSecond * pieceMs) / 1000));
        const piece = next.bytes.subarray(at, Math.min(next.bytes.length, at + length));
        at += piece.length;
        to.write(piece);
        if (bytesPerSecond < Infinity) await sleep((1000 * piece.length) / bytesPerSecond);
      }
    }
    busy = false;
    from.resume();
  };
  from.on('data', (bytes: Buffer) => {
    waiting.push({ bytes, due: performance.now() + (how().latencyMs ?? 0) });
    if (waiting.length > 16) from.pause();
    void run();
  });
}

function sleep(milliseconds: number): Promise<void> {
  return milliseconds > 0
    ? new Promise((resolve) => setTimeout(resolve, milliseconds))
    : Promise.resolve();
}
