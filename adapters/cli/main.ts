#!/usr/bin/env node
import { runProgram } from './program.js';
import { standardInput } from './standard-input.js';
import { standardOutput } from './standard-output.js';

const stop = new AbortController();
let stops = 0;
process.on('SIGINT', () => {
  // The first asks politely: what was computed is still saved. The second leaves.
  if (++stops > 1) process.exit(130);
  stop.abort(new Error('stopped by Ctrl-C'));
});
process.on('SIGTERM', () => stop.abort(new Error('stopped')));

async function main(): Promise<void> {
  const stderr = standardOutput(process.stderr);
  process.exitCode = await runProgram(process.argv.slice(2), {
    stdout: standardOutput(process.stdout, (error) => {
      // `chunkweave ask … | head` closes the pipe early.
      if (error.code === 'EPIPE') process.exit(0);
      stderr.write(`The output cannot be written (${error.message}).\n`);
      process.exit(1);
    }),
    stderr,
    stdin: standardInput(process.stdin),
    env: process.env,
    cwd: process.cwd(),
    signal: stop.signal,
  });
}

void main();
