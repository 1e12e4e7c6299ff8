import { describe, expect, test } from '@jest/globals';
import { decodeText } from '../../../../adapters/fs/documents/decode.js';

const utf8 = (text: string) => new TextEncoder().encode(text);
const bytes = (...values: number[]) => Uint8Array.from(values);

describe('decodeText', () => {
  test.each([
    ['UTF-8', utf8('héllo 🎉'), 'héllo 🎉'],
    ['UTF-8 with a mark', utf8('\ufeffhello'), 'hello'],
    ['UTF-16 little endian', bytes(0xff, 0xfe, 0x68, 0, 0xac, 0x20), 'h€'],
    ['UTF-16 big endian', bytes(0xfe, 0xff, 0, 0x68, 0x20, 0xac), 'h€'],
    ['nothing', bytes(), ''],
    ['terminal colours', utf8('\u001b[31mred\u001b[0m'), '\u001b[31mred\u001b[0m'],
  ])('%s', (_name, input, text) => {
    expect(decodeText(input)).toEqual({ text });
  });

  test('invalid UTF-8 becomes U+FFFD, with a warning', () => {
    const input = bytes(...utf8('Some words of a text in Latin-1: caf'), 0xe9);
    expect(decodeText(input)).toEqual({
      text: 'Some words of a text in Latin-1: caf\ufffd',
      warning: expect.stringMatching(/not valid UTF-8: 1 place became U\+FFFD/),
    });
  });

  test('a character cut off at the end is invalid too', () => {
    expect(decodeText(bytes(...utf8('Some text '), 0xe2, 0x82))).toHaveProperty('warning');
  });

  test.each([
    ['NUL bytes', bytes(0x61, 0, 0x62), /NUL bytes/],
    ['a PDF', utf8('%PDF-1.7\n'), /PDF/],
    ['a ZIP archive', bytes(0x50, 0x4b, 3, 4, 9, 9), /ZIP/],
    ['control characters', bytes(1, 2, 3, 4, 0x61), /control characters/],
    [
      'another encoding',
      bytes(...Array.from({ length: 60 }, (_, i) => 0xc0 + (i % 32))),
      /no UTF-8/,
    ],
  ])('%s are no text', (_name, input, reason) => {
    expect(decodeText(input)).toEqual({ binary: expect.stringMatching(reason) });
  });

  test('a page may name its encoding', () => {
    const page = (label: string) => bytes(...utf8(`<meta charset="${label}"><p>`), 0xe9, 0x80);
    expect(decodeText(page('windows-1252'), { html: true })).toHaveProperty(
      'text',
      expect.stringMatching(/é€$/),
    );
    expect(decodeText(page('windows-1252'))).toHaveProperty('warning');
    expect(decodeText(page('klingon'), { html: true })).toHaveProperty('warning');
    const legacy = utf8('<META http-equiv="Content-Type" content="text/html; charset=shift_jis">');
    expect(decodeText(bytes(...legacy, 0x93, 0xfa), { html: true })).toHaveProperty(
      'text',
      expect.stringMatching(/日$/),
    );
  });
});
