import { describe, expect, test } from '@jest/globals';
import * as fc from 'fast-check';
import { basename, join, resolve } from 'node:path';
import { pathToFileURL } from 'node:url';
import {
  parseDigest,
  parseRemote,
  parseSource,
  safeName,
  withoutSecrets,
} from '../../../adapters/models/source.js';
import { InvalidArgumentError } from '../../../lib/errors.js';
import { caught } from '../../support/models/user.js';

const hash = 'ab'.repeat(32);

describe('what a text stands for', () => {
  test.each([
    ['smollm2-135m-instruct', 'smollm2-135m-instruct'],
    ['SmolLM2', 'smollm2'],
    ['a', 'a'],
  ])('%j is an alias', (text, name) => {
    expect(parseSource(text)).toEqual({ kind: 'alias', name });
  });

  test.each([
    'model.gguf',
    'MODEL.GGUF',
    './model',
    '../model',
    '..',
    '.',
    '~/model',
    '/models/a b.gguf',
    'C:\\models\\m.gguf',
    'folder/model',
    'a name with blanks',
    `${'a'.repeat(65)}`,
    'model.gguf#sha256=1',
  ])('%j is a path', (path) => {
    expect(parseSource(path)).toEqual({ kind: 'path', path });
  });

  test('a file URL is the path that it names', () => {
    const path = resolve('a b#c.gguf');
    expect(parseSource(pathToFileURL(path).href)).toEqual({ kind: 'path', path });
  });

  test('hf: owner, repository, revision and file', () => {
    const source = parseRemote('hf:owner/repo.name/sub folder/model-Q4.gguf');
    expect(source.pieces).toEqual([
      {
        kind: 'hub',
        repository: 'owner/repo.name',
        revision: 'main',
        file: 'sub folder/model-Q4.gguf',
      },
    ]);
    expect(source).toMatchObject({
      label: 'hf:owner/repo.name/sub folder/model-Q4.gguf',
      fileName: 'model-Q4.gguf',
      sha256: undefined,
    });
    expect(parseRemote('HF:owner/repo@v1.0/m.gguf').pieces[0]).toMatchObject({ revision: 'v1.0' });
    expect(parseRemote('hf:owner/repo@v1.0/m.gguf').label).toBe('hf:owner/repo@v1.0/m.gguf');
  });

  test('the revision is part of the identity, the default one is not spelled', () => {
    const plain = parseRemote('hf:owner/repo/m.gguf').identity;
    expect(parseRemote('hf:owner/repo@main/m.gguf').identity).toBe(plain);
    expect(parseRemote('hf:owner/repo@v1/m.gguf').identity).not.toBe(plain);
  });

  test('pypi: project by its normal name, version and member', () => {
    const source = parseRemote('pypi:Some_Model.Name==1.0.post1/pkg/data/m.gguf');
    expect(source.pieces).toEqual([
      {
        kind: 'package',
        project: 'some-model-name',
        version: '1.0.post1',
        member: 'pkg/data/m.gguf',
      },
    ]);
    expect(parseRemote('pypi:a/m.gguf').pieces[0]).toMatchObject({ version: undefined });
  });

  test('a URL, its name decoded', () => {
    const source = parseRemote('https://models.example.com/a%20b/my%20model.gguf?download=1');
    expect(source.fileName).toBe('my_model.gguf');
    expect(source.label).toBe('https://models.example.com/a%20b/my%20model.gguf?…');
    expect(parseRemote('https://models.example.com/').fileName).toBe('model');
    expect(parseRemote('https://models.example.com/%E0%A4%A.gguf').fileName).toBe('E0_A4_A.gguf');
  });

  test('parts are joined in their order, and the name is the whole one', () => {
    const source = parseRemote('https://e.example/m.gguf.part0 + hf:o/r/m.gguf.part1 + pypi:p/x');
    expect(source.pieces.map(({ kind }) => kind)).toEqual(['url', 'hub', 'package']);
    expect(source.label).toBe('https://e.example/m.gguf.part0 + 2 more');
    expect(source.fileName).toBe('m.gguf');
    const other = parseRemote('hf:o/r/m.gguf.part1 + https://e.example/m.gguf.part0 + pypi:p/x');
    expect(other.identity).not.toBe(source.identity);
  });

  test('a hash at the end, in either case', () => {
    for (const pin of [`#sha256=${hash}`, `#SHA256:${hash.toUpperCase()}`]) {
      const source = parseRemote(`https://e.example/m.gguf${pin}`);
      expect(source.sha256).toBe(hash);
      expect(source.identity).toBe(parseRemote('https://e.example/m.gguf').identity);
    }
    expect(parseRemote('https://e.example/m.gguf#top').sha256).toBeUndefined();
  });
});

describe('what is refused', () => {
  test.each([
    '',
    '   ',
    'hf:',
    'hf:owner',
    'hf:owner/repo',
    'hf:owner/repo/',
    'hf:/repo/m.gguf',
    'hf:owner//m.gguf',
    'hf:../repo/m.gguf',
    'hf:owner/../m.gguf',
    'hf:owner/repo/../m.gguf',
    'hf:owner/repo/./m.gguf',
    'hf:owner/repo//m.gguf',
    'hf:owner/repo/a\\..\\m.gguf',
    'hf:owner/repo/m\0.gguf',
    'hf:owner/repo/a\n\0.gguf',
    'hf:owner/repo@/m.gguf',
    'hf:owner/repo@a@b/m.gguf',
    'hf:owner/repo@../m.gguf',
    'hf:owner/re po/m.gguf',
    'pypi:',
    'pypi:name',
    'pypi:name/',
    'pypi:-name/m.gguf',
    'pypi:na me/m.gguf',
    'pypi:name==/m.gguf',
    'pypi:name>=1/m.gguf',
    'pypi:name==1.0/../m.gguf',
    'pypi:name==1.0/a//m.gguf',
    'pypi:name==1.0/a\\m.gguf',
    'http://models.example.com/m.gguf',
    'http://127.0.0.1.example.com/m.gguf',
    'http://localhost.example.com/m.gguf',
    'http://10.0.0.1/m.gguf',
    'https://',
    'https://models example/m.gguf',
    'https://e.example/m.gguf#sha256=abc',
    `https://e.example/m.gguf#sha256=${'g'.repeat(64)}`,
    'https://e.example/a + ',
    'https://e.example/a + ftp://e.example/b',
    'https://e.example/a + /etc/passwd',
    'https://e.example/a + file:///etc/passwd',
    'https://e.example/a#x + https://e.example/b',
    `https://e.example/a#sha256=${hash} + https://e.example/b`,
    'file://elsewhere.example.com/m.gguf',
    'file:///a%2Fb.gguf',
  ])('%j', (text) => {
    expect(() => parseSource(text)).toThrow(InvalidArgumentError);
  });

  test.each(['abc', '', `${hash}0`, `${hash}\n`])('%j as a hash', (text) => {
    expect(() => parseDigest(text)).toThrow(InvalidArgumentError);
  });

  test('http is for this machine', () => {
    for (const host of ['127.0.0.1:80', '127.1.2.3', 'localhost:8080', '[::1]:1', '127.1']) {
      expect(parseSource(`http://${host}/m.gguf`)).toMatchObject({ kind: 'remote' });
    }
  });
});

describe('credentials', () => {
  const secret = 'hunter2';
  const withSecret = `https://me:${secret}@e.example/m.gguf?token=${secret}`;

  test('are in no label and do not change the identity', () => {
    const source = parseRemote(withSecret);
    expect(`${source.label} ${source.shown} ${source.fileName}`).not.toContain(secret);
    expect(source.identity).toBe(parseRemote(withSecret.replace(`me:${secret}@`, '')).identity);
    expect(withoutSecrets(new URL(withSecret))).toBe('https://e.example/m.gguf?…');
  });

  test('a text without them is shown as it is', () => {
    const text = `https://e.example/m.gguf#sha256=${hash}`;
    expect(parseRemote(text).shown).toBe(text);
    expect(parseRemote(`hf:o/r/m.gguf + ${withSecret}`).shown).not.toContain(secret);
  });

  test.each([
    `http://me:${secret}@e.example/m.gguf?token=${secret}`,
    `https://me:${secret}@e example/m.gguf`,
    `https://me:${secret}@e.example:99999/m.gguf`,
    `https://e.example/a + ftp://me:${secret}@e.example/b`,
    `https://e.example/a#sha256=${hash} + https://me:${secret}@e.example/b`,
    `https:/\\me:${secret}@[::/m.gguf`,
  ])('are in no error: %j', (text) => {
    const error = caught(() => parseSource(text));
    expect(error).toBeInstanceOf(InvalidArgumentError);
    expect(error.message).not.toContain(secret);
    expect(JSON.stringify({ ...(error.cause as object | undefined) })).not.toContain(secret);
  });
});

describe('for any text', () => {
  const heads = ['', 'hf:', 'hf:o/r/', 'pypi:', 'pypi:p==1/', 'https://', 'http://127.0.0.1/'];
  const tail = fc.oneof(
    fc.string({ unit: 'binary' }),
    fc.string({ unit: fc.constantFrom(...'./\\\0@:#=+ ~ah%2F?[]') }),
    fc.string().map((text) => `${text}#sha256=${text}`),
  );
  const anyText = fc
    .tuple(fc.constantFrom(...heads, 'file:', 'file:///'), tail)
    .map(([head, rest]) => head + rest);

  test('parseSource gives a result or an InvalidArgumentError', () => {
    fc.assert(
      fc.property(anyText, (text) => {
        try {
          expect(['alias', 'path', 'remote']).toContain(parseSource(text).kind);
        } catch (error) {
          expect(error).toBeInstanceOf(InvalidArgumentError);
        }
      }),
      { numRuns: 2000 },
    );
  });

  test('safeName stays in its folder and is not what lies beside the file', () => {
    const folder = resolve('/some/folder');
    const taken = ['model.json', 'lock', 'lock.removal', 'con', 'nul', 'com1'];
    const names = fc.oneof(anyText, fc.constantFrom(...taken, 'MODEL.JSON', '..lock', 'lock..'));
    fc.assert(
      fc.property(names, (text) => {
        const name = safeName(text);
        expect(resolve(join(folder, name))).toBe(join(folder, name));
        expect(basename(join(folder, name))).toBe(name);
        expect(name).toMatch(/^[A-Za-z0-9][A-Za-z0-9._-]{0,101}$/);
        expect(name).not.toMatch(/\.$/);
        expect(taken).not.toContain(name.toLowerCase());
      }),
      { numRuns: 2000 },
    );
  });

  test.each([
    ['model.json', 'x-model.json'],
    ['lock', 'x-lock'],
    ['../../etc/passwd', 'etc_passwd'],
    ['con.gguf', 'x-con.gguf'],
    ['...', 'model'],
    [`-${'a'.repeat(200)}.gguf`, `${'a'.repeat(95)}.gguf`],
    [`${'a'.repeat(80)}.${'b'.repeat(99)}`, 'b'.repeat(99)],
  ])('the safe name of %j is %j', (text, name) => {
    expect(safeName(text)).toBe(name);
  });
});
