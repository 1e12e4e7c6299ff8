#!/usr/bin/env node
import { runProgram } from './program.js';
import { standardInput } from './standard-input.js';
import { standardOutput } from './standard-output.js';
import { Stopped } from './stopped.js';

const stop = new AbortController();
for (const signal of ['SIGINT', 'SIGTERM'] as const) {
  process.on(signal, () => {
    const stopped = new Stopped(signal);
    // The first asks politely: what was computed is still saved. The second leaves.
    if (stop.signal.aborted) process.exit(stopped.exitCode);
    stop.abort(stopped);
  });
}

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
