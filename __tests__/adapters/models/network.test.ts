import { describe, expect, test } from '@jest/globals';
import { writeFile } from 'node:fs/promises';
import net, { type AddressInfo } from 'node:net';
import { join } from 'node:path';
import { Network, readText } from '../../../adapters/models/network.js';
import { selfSigned } from '../../support/models/certificate.js';
import { later, newFolder } from '../../support/models/cleanup.js';
import { pull } from '../../support/models/process.js';
import { file, redirect, routes, serve, text } from '../../support/models/server.js';
import { modelBytes, newUser, rejection, sha256Of } from '../../support/models/user.js';

function network(connectTimeoutMs = 10_000, idleTimeoutMs = 10_000): Network {
  return new Network({ env: {}, connectTimeoutMs, idleTimeoutMs });
}

test('an authority that NODE_EXTRA_CA_CERTS names vouches for any source', async () => {
  const identity = selfSigned();
  const content = modelBytes(5000);
  const server = await serve(file({ content }), identity);
  const cert = join(await newFolder(), 'ca.pem');
  await writeFile(cert, identity.cert);
  const user = await newUser();
  const source = `${server.origin}/m.gguf`;
  const { NODE_EXTRA_CA_CERTS: _, ...without } = process.env;
  const distrusting = await rejection(pull(source, user.options, without).result);
  expect(distrusting.message).toContain('name its authority in NODE_EXTRA_CA_CERTS');
  const trusting = pull(source, user.options, { ...without, NODE_EXTRA_CA_CERTS: cert });
  expect(await trusting.result).toMatchObject({ sha256: sha256Of(content) });
});

test('an encrypted connection that never comes about is given up', async () => {
  const sockets: net.Socket[] = [];
  const server = net.createServer((socket) => {
    sockets.push(socket.on('error', () => {}));
  });
  await new Promise<void>((resolve) => server.listen(0, '127.0.0.1', resolve));
  later(async () => {
    for (const socket of sockets) socket.destroy();
    server.close();
  });
  const host = `127.0.0.1:${(server.address() as AddressInfo).port}`;
  const error = await rejection(network(100).get(new URL(`https://${host}/`)));
  expect(error.message).toBe(`${host} did not connect within 0.1 s`);
});

test('a server that does not encrypt gives an error under https', async () => {
  const server = await serve(text('plain'));
  const error = await rejection(network().get(new URL(`https://${server.host}/`)));
  expect(error.message).toContain(`the connection to ${server.host} failed`);
});

describe('redirects', () => {
  test.each([301, 302, 303, 307, 308])('%d is followed', async (code) => {
    const server = await serve(
      routes({
        '/a': (_, response) => response.writeHead(code, { location: 'b?c=d', 'x-hop': '1' }).end(),
        '/b': text('here'),
      }),
    );
    const response = await network().get(new URL(`${server.origin}/a`));
    expect(await readText(response, 100)).toBe('here');
    expect(response.url.href).toBe(`${server.origin}/b?c=d`);
    expect(response.hops.map((headers) => headers['x-hop'])).toEqual(['1', undefined]);
  });

  test('the password of the URL goes along within its origin only', async () => {
    const other = await serve(text('there'));
    const server = await serve(
      routes({
        '/relative': redirect('/absolute'),
        '/absolute': redirect(() => `${server.origin}/away`),
        '/away': redirect(`${other.origin}/`),
      }),
    );
    await network().get(new URL(`http://me:pw@${server.host}/relative`));
    const basic = `Basic ${Buffer.from('me:pw').toString('base64')}`;
    const sent = server.requests.map(({ headers }) => headers.authorization);
    expect(sent).toEqual([basic, basic, basic]);
    expect(other.requests[0]?.headers).not.toHaveProperty('authorization');
  });

  test('ten are followed, no more', async () => {
    const server = await serve((request, response) => {
      const left = Number(request.url!.slice(1));
      if (left > 0) redirect(`/${left - 1}`)(request, response);
      else response.end('here');
    });
    const response = await network().get(new URL(`${server.origin}/10`));
    expect(await readText(response, 100)).toBe('here');
    const error = await rejection(network().get(new URL(`${server.origin}/11`)));
    expect(error.message).toContain('redirects in circles');
  });
});

test('a text that is longer than expected is refused', async () => {
  const server = await serve(text('x'.repeat(100_000)));
  const response = await network().get(new URL(server.origin));
  const error = await rejection(readText(response, 1000));
  expect(error.message).toContain('answers with more than 1000 bytes');
});
