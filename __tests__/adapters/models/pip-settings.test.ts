import { describe, expect, test } from '@jest/globals';
import { mkdir, writeFile } from 'node:fs/promises';
import { join } from 'node:path';
import { parseIni, pipSettings } from '../../../adapters/models/pip-settings.js';
import { newFolder } from '../../support/models/cleanup.js';

const alone = { PIP_CONFIG_FILE: '/dev/null' };

async function indexesOf(env: Record<string, string>): Promise<string[]> {
  return (await pipSettings(env)).indexes.map(({ href }) => href);
}

describe('the environment', () => {
  test('without settings there is one index', async () => {
    const { indexes, access } = await pipSettings(alone);
    expect(indexes.map(({ protocol }) => protocol)).toEqual(['https:']);
    expect(access).toEqual({ ca: undefined, trustedHosts: [], proxy: undefined });
  });

  test('PIP_INDEX_URL, PIP_EXTRA_INDEX_URL', async () => {
    expect(
      await indexesOf({
        ...alone,
        PIP_INDEX_URL: 'https://me:pw@one.example/simple',
        PIP_EXTRA_INDEX_URL: ' https://two.example/a/\n  https://three.example  ',
      }),
    ).toEqual([
      'https://me:pw@one.example/simple/',
      'https://two.example/a/',
      'https://three.example/',
    ]);
  });

  test('an extra index alone comes after the usual one', async () => {
    const indexes = await indexesOf({ ...alone, PIP_EXTRA_INDEX_URL: 'https://two.example/' });
    expect(indexes).toHaveLength(2);
    expect(indexes[1]).toBe('https://two.example/');
  });

  test.each(['1', 'true', 'YES', 'on', 'y', 't'])('PIP_NO_INDEX=%s forbids all', async (value) => {
    const env = { ...alone, PIP_NO_INDEX: value, PIP_EXTRA_INDEX_URL: 'https://two.example/' };
    expect(await indexesOf(env)).toEqual([]);
  });

  test.each(['0', 'false', 'no', ''])('PIP_NO_INDEX=%s forbids nothing', async (value) => {
    expect(await indexesOf({ ...alone, PIP_NO_INDEX: value })).toHaveLength(1);
  });

  test('what is no URL is left out, and does not fall back to the usual index', async () => {
    expect(await indexesOf({ ...alone, PIP_INDEX_URL: 'no-url' })).toEqual([]);
  });

  test('PIP_CERT, PIP_TRUSTED_HOST and PIP_PROXY', async () => {
    const cert = join(await newFolder(), 'ca.pem');
    await writeFile(cert, 'the authority');
    const { access } = await pipSettings({
      ...alone,
      PIP_CERT: cert,
      PIP_TRUSTED_HOST: 'One.example two.example:8080',
      PIP_PROXY: 'proxy.example:3128',
    });
    expect(access).toEqual({
      ca: 'the authority',
      trustedHosts: ['one.example', 'two.example:8080'],
      proxy: 'proxy.example:3128',
    });
    for (const name of ['REQUESTS_CA_BUNDLE', 'CURL_CA_BUNDLE']) {
      expect((await pipSettings({ ...alone, [name]: cert })).access.ca).toBe('the authority');
    }
  });
});

describe('files', () => {
  test('are read with less weight than the environment; [download] wins over [global]', async () => {
    const path = join(await newFolder(), 'pip.conf');
    await writeFile(
      path,
      [
        '# comment = none',
        '[global]',
        'index_url = https://global.example/simple',
        'Extra-Index-URL =',
        '    https://extra.example/one',
        '    https://extra.example/two',
        'trusted-host: trusted.example',
        '[download]',
        'index-url = https://download.example/simple',
        '[install]',
        'no-index = true',
      ].join('\r\n'),
    );
    const env = { PIP_CONFIG_FILE: path };
    expect(await indexesOf(env)).toEqual([
      'https://download.example/simple/',
      'https://extra.example/one/',
      'https://extra.example/two/',
    ]);
    expect((await pipSettings(env)).access.trustedHosts).toEqual(['trusted.example']);
    expect(await indexesOf({ ...env, PIP_INDEX_URL: 'https://env.example' })).toContain(
      'https://env.example/',
    );
  });

  test.each<[NodeJS.Platform, string[], Record<string, string>]>([
    ['linux', ['.config', 'pip', 'pip.conf'], {}],
    ['linux', ['.pip', 'pip.conf'], {}],
    ['linux', ['xdg', 'pip', 'pip.conf'], { XDG_CONFIG_HOME: 'xdg' }],
    ['linux', ['shared', 'pip', 'pip.conf'], { XDG_CONFIG_DIRS: 'shared' }],
    ['linux', ['venv', 'pip.conf'], { VIRTUAL_ENV: 'venv' }],
    ['darwin', ['Library', 'Application Support', 'pip', 'pip.conf'], {}],
    ['darwin', ['.config', 'pip', 'pip.conf'], {}],
    ['win32', ['pip', 'pip.ini'], {}],
    ['win32', ['roaming', 'pip', 'pip.ini'], { APPDATA: 'roaming' }],
    ['win32', ['data', 'pip', 'pip.ini'], { PROGRAMDATA: 'data' }],
  ])('on %s in %j', async (platform, place, folders) => {
    const home = await newFolder();
    const path = join(home, ...place);
    await mkdir(join(path, '..'), { recursive: true });
    await writeFile(path, '[global]\nproxy = found.example\n');
    const named = Object.entries(folders).map(([name, folder]) => [name, join(home, folder)]);
    const env = { HOME: home, ...(Object.fromEntries(named) as Record<string, string>) };
    expect((await pipSettings(env, platform)).access.proxy).toBe('found.example');
    const none = { ...env, PIP_CONFIG_FILE: '/dev/null' };
    expect((await pipSettings(none, platform)).access.proxy).toBeUndefined();
  });

  test('the one that is named wins over the user’s', async () => {
    const home = await newFolder();
    await mkdir(join(home, '.pip'));
    await writeFile(join(home, '.pip', 'pip.conf'), '[global]\nproxy = user.example\n');
    const named = join(home, 'mine.conf');
    await writeFile(named, '[global]\nproxy = mine.example\n');
    const env = { HOME: home, PIP_CONFIG_FILE: named };
    expect((await pipSettings(env, 'linux')).access.proxy).toBe('mine.example');
    const missing = { HOME: home, PIP_CONFIG_FILE: join(home, 'none.conf') };
    expect((await pipSettings(missing, 'linux')).access.proxy).toBe('user.example');
  });

  test('the usual forms of the format', () => {
    const entries = parseIni(
      '\uFEFFbefore = any\n[ Global ]\na=1\nb : x=y # no comment\n; c = 2\n\tmore\nnothing\nd =\n  1\n\n  2\n',
    );
    expect(entries).toEqual([
      { section: '', key: 'before', value: 'any' },
      { section: 'global', key: 'a', value: '1' },
      { section: 'global', key: 'b', value: 'x=y # no comment\nmore' },
      { section: 'global', key: 'd', value: '1\n2' },
    ]);
  });
});
