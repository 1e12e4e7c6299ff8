#!/usr/bin/env node
import type { WriteStream } from 'node:tty';
import type { Output } from './command.js';
import { runProgram } from './program.js';

const stop = new AbortController();
let stops = 0;
process.on('SIGINT', () => {
  // The first asks politely: what was computed is still saved. The second leaves.
  if (++stops > 1) process.exit(130);
  stop.abort(new Error('stopped by Ctrl-C'));
});
process.on('SIGTERM', () => stop.abort(new Error('stopped')));
// `chunkweave ask … | head` closes the pipe early.
process.stdout.on('error', (error: NodeJS.ErrnoException) => {
  if (error.code === 'EPIPE') process.exit(0);
  throw error;
});

const output = (stream: WriteStream): Output => ({
  write: (text) => void stream.write(text),
  isTTY: Boolean(stream.isTTY),
  get columns() {
    return stream.columns ?? 80;
  },
});

async function main(): Promise<void> {
  process.exitCode = await runProgram(process.argv.slice(2), {
    stdout: output(process.stdout),
    stderr: output(process.stderr),
    env: process.env,
    cwd: process.cwd(),
    signal: stop.signal,
  });
}

void main();
