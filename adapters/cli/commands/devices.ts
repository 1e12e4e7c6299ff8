import type { Command } from '../command.js';
import { type Flags, parseFlags } from '../flags.js';
import { formatBytes } from '../report/format.js';

const flags = { json: { type: 'boolean' } } as const satisfies Flags;

export const devices: Command = {
  name: 'devices',
  flags,
  summary: 'list what a model could run on here',
  help: `chunkweave devices [--json]

Lists the devices of every installed set of native libraries with their memory, and the commands that
install the others.

  --json  print the reports as one JSON array`,

  async run(args, { stdout, signal }) {
    const { values } = parseFlags(args, flags);
    const { listDevices } = await import('../../ggml/devices.js');
    const reports = await listDevices({ signal });
    if (values.json) {
      stdout.write(`${JSON.stringify(reports)}\n`);
      return 0;
    }
    for (const { variant, packageName, installed, devices: found, note } of reports) {
      stdout.write(`${variant}: ${installed ? packageName : 'not installed'}\n`);
      for (const { name, kind, description, memoryFree, memoryTotal } of found) {
        const memory = memoryTotal
          ? `, ${formatBytes(memoryFree)} of ${formatBytes(memoryTotal)} free`
          : '';
        stdout.write(`  ${name} (${kind}): ${description}${memory}\n`);
      }
      if (note) stdout.write(`  ${installed ? note : `to install: ${note}`}\n`);
    }
    return 0;
  },
};
