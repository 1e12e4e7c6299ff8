import type { Command } from '../command.js';
import { type Flags, parseFlags } from '../flags.js';
import { Terminal } from '../report/terminal.js';

const flags = { json: { type: 'boolean' } } as const satisfies Flags;

export const doctor: Command = {
  name: 'doctor',
  flags,
  summary: 'check that the native engine works here, as a report to paste into an issue',
  help: `chunkweave doctor [--json]

Writes a tiny model, computes it, splices and refreshes chunk KV and compares everything with llama.cpp.
Needs no download. Exits with 1 when a check fails.

  --json  print the report as one JSON object`,

  async run(args, io) {
    const { values } = parseFlags(args, flags);
    const terminal = new Terminal(io);
    const { diagnose, renderDiagnosis } = await import('../../ggml/doctor.js');
    const diagnosis = await diagnose({
      signal: io.signal,
      onCheck: (name) => terminal.status(`Checking: ${name}`),
    });
    terminal.clear();
    io.stdout.write(`${values.json ? JSON.stringify(diagnosis) : renderDiagnosis(diagnosis)}\n`);
    return diagnosis.healthy ? 0 : 1;
  },
};
