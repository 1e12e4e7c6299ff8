import { expect, test } from '@jest/globals';
import * as fc from 'fast-check';
import { TextStream } from '../../../lib/engine/text-stream.js';
import { InvalidArgumentError } from '../../../lib/errors.js';

const encoder = new TextEncoder();

/** Bytes with many broken and whole characters among them. */
const someBytes = fc
  .array(
    fc.oneof(
      fc.uint8Array({ maxLength: 3 }),
      fc.string({ unit: 'binary', maxLength: 3 }).map((text) => encoder.encode(text)),
      fc.constantFrom('😀', 'é', '東京', '\ufeff', 'ab').map((text) => encoder.encode(text)),
      fc
        .constantFrom([0xf0, 0x9f], [0xe2, 0x82], [0xc3], [0x80], [0xed, 0xa0])
        .map(Uint8Array.from.bind(Uint8Array)),
    ),
    { maxLength: 12 },
  )
  .map((parts) => Uint8Array.from(parts.flatMap((part) => [...part])));

function split(bytes: Uint8Array, cuts: readonly number[]): Uint8Array[] {
  const places = [...new Set(cuts.map((cut) => cut % (bytes.length + 1)))].sort((a, b) => a - b);
  return [0, ...places].map((from, i) => bytes.subarray(from, places[i] ?? bytes.length));
}

function run(pieces: readonly Uint8Array[], stop: readonly string[] = []) {
  const stream = new TextStream({ stop });
  const texts = pieces.map((piece) => stream.push(piece));
  texts.push(stream.flush());
  return { texts, text: texts.join(''), stopped: stream.stopped };
}

test('any split of any bytes gives what decoding at once gives', () => {
  fc.assert(
    fc.property(someBytes, fc.array(fc.nat(), { maxLength: 20 }), (bytes, cuts) => {
      const whole = new TextDecoder('utf-8', { ignoreBOM: true }).decode(bytes);
      const { texts, text } = run(split(bytes, cuts));
      expect(text).toBe(whole);
      for (const piece of texts) expect(isWellFormed(piece)).toBe(true);
    }),
    { numRuns: 2000 },
  );
});

test('any stop strings: nothing of them is shown, whatever the borders', () => {
  const letters = fc.string({ unit: fc.constantFrom('a', 'b', '😀', '😁', 'é'), maxLength: 14 });
  const stops = fc.array(
    fc.string({ unit: fc.constantFrom('a', 'b', '😀', '😁', 'é'), minLength: 1, maxLength: 4 }),
    { maxLength: 3 },
  );
  fc.assert(
    fc.property(letters, stops, fc.array(fc.nat(), { maxLength: 20 }), (text, stop, cuts) => {
      const expected = reference(text, stop);
      const pieces = split(encoder.encode(text), cuts);
      expect(run(pieces, stop)).toMatchObject(expected);

      // What was shown on the way never had to be taken back.
      let shown = '';
      for (const piece of run(pieces, stop).texts) {
        shown += piece;
        expect(expected.text.startsWith(shown)).toBe(true);
        expect(isWellFormed(piece)).toBe(true);
      }
    }),
    { numRuns: 3000 },
  );
});

/** Reads letter by letter; the stop string that is complete first ends the text. */
function reference(text: string, stops: readonly string[]) {
  for (let end = 1; end <= text.length; end++) {
    const found = stops
      .filter((stop) => text.slice(0, end).endsWith(stop))
      .sort((a, b) => b.length - a.length)[0];
    if (found !== undefined) return { text: text.slice(0, end - found.length), stopped: found };
  }
  return { text, stopped: undefined };
}

test('text is shown as soon as it is certain', () => {
  const stream = new TextStream({ stop: ['STOP'] });
  expect(stream.push(encoder.encode('a S'))).toBe('a ');
  expect(stream.push(encoder.encode('T'))).toBe('');
  expect(stream.push(encoder.encode('x'))).toBe('STx');
  expect(stream.push(Uint8Array.of(0xf0, 0x9f))).toBe('');
  expect(stream.push(Uint8Array.of(0x98, 0x80))).toBe('😀');
  expect(stream.push(encoder.encode('y STO'))).toBe('y ');
  expect(stream.push(encoder.encode('P and more'))).toBe('');
  expect(stream.stopped).toBe('STOP');
  expect(stream.push(encoder.encode('z'))).toBe('');
  expect(stream.flush()).toBe('');
});

test('what is held back comes out in the end', () => {
  expect(run([encoder.encode('abSTO'), Uint8Array.of(0xe2, 0x82)], ['STOP'])).toEqual({
    texts: ['ab', '', 'STO\ufffd'],
    text: 'abSTO\ufffd',
    stopped: undefined,
  });
});

test('a stop string may be completed by the end of a broken character', () => {
  expect(run([encoder.encode('ab'), Uint8Array.of(0xe2)], ['b\ufffd'])).toMatchObject({
    text: 'a',
    stopped: 'b\ufffd',
  });
});

test('empty stop strings are refused', () => {
  expect(() => new TextStream({ stop: ['a', ''] })).toThrow(InvalidArgumentError);
});

function isWellFormed(text: string): boolean {
  return new TextDecoder('utf-8', { ignoreBOM: true }).decode(encoder.encode(text)) === text;
}
