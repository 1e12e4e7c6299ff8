import { EventEmitter } from 'node:events';
import type { WriteStream } from 'node:tty';
import { expect, test } from '@jest/globals';
import { standardOutput } from '../../../adapters/cli/standard-output.js';

function failing(code: string) {
  const written: string[] = [];
  const stream = Object.assign(new EventEmitter(), {
    isTTY: true,
    columns: 0,
    write: (text: string) => written.push(text) > 0,
  });
  const error = Object.assign(new Error(`write ${code}`), { code });
  return {
    stream: stream as unknown as WriteStream,
    written,
    fail: () => stream.emit('error', error),
  };
}

test('after its first failure an output drops what is written, and says so once', () => {
  const { stream, written, fail } = failing('EPIPE');
  const errors: unknown[] = [];
  const output = standardOutput(stream, (error) => errors.push(error.code));
  output.write('one');
  fail();
  fail();
  output.write('two');
  expect(written).toEqual(['one']);
  expect(errors).toEqual(['EPIPE']);
});

test('an output that nobody watches does not end the process', () => {
  const { stream, fail } = failing('EPIPE');
  standardOutput(stream);
  expect(fail).not.toThrow();
});

test('a terminal that says it is 0 wide is taken for one of 80 columns', () => {
  expect(standardOutput(failing('EPIPE').stream).columns).toBe(80);
});
