import { resolve } from 'node:path';
import type { FolderProgress, FolderStore } from '../../fs/index.js';
import type { RecordInfo } from '../../../lib/index.js';
import type { Command, Io } from '../command.js';
import { type Flags, parseFlags } from '../flags.js';
import { counted, formatBytes, formatTime } from '../report/format.js';
import { table } from '../report/table.js';
import { Terminal } from '../report/terminal.js';
import { openFolderStore } from '../session.js';
import { UsageError } from '../usage-error.js';

const flags = {
  json: { type: 'boolean' },
  yes: { type: 'boolean' },
  dir: { type: 'string' },
  tenant: { type: 'string' },
  label: { type: 'string' },
} as const satisfies Flags;

export const store: Command = {
  name: 'store',
  flags,
  summary: 'look at the chunk KV that is kept on disk, check it, clear it',
  help: `chunkweave store ls [--json]
chunkweave store stats [--json]
chunkweave store verify [--json]
chunkweave store compact [--json]
chunkweave store export FOLDER [--json]
chunkweave store import FOLDER [--json]
chunkweave store clear --yes [--json]

ls lists the records, those used last first. verify reads every byte of every record and puts damaged ones aside; it
fails when there are any. compact removes what processes that died left behind. export copies all records to a folder,
import takes them from there; damaged ones are left out. clear deletes all records: they are made again when they are
needed.

--dir FOLDER names another store; default is the one that ask and ingest use. Of another tenant or access label:
--tenant NAME, --label NAME.`,

  async run(args, io) {
    const { values, positionals } = parseFlags(args, flags);
    const [name = '', folder, ...rest] = positionals;
    const action = actions[name];
    if (!action) {
      throw new UsageError(`Say what to do: chunkweave store ${Object.keys(actions).join('|')}`);
    }
    const takesFolder = name === 'export' || name === 'import';
    if (takesFolder ? folder === undefined || rest.length > 0 : folder !== undefined) {
      throw new UsageError(
        takesFolder
          ? `Give one folder: chunkweave store ${name} FOLDER`
          : `store ${name} takes no more arguments.`,
      );
    }
    const { dir, tenant, label } = values;
    const opened = openFolderStore(io, {
      ...(dir !== undefined && { directory: resolve(io.cwd, dir) }),
      ...(tenant !== undefined && { tenant }),
      ...(label !== undefined && { label }),
    });
    try {
      return await action({
        store: opened,
        io,
        terminal: new Terminal(io),
        json: values.json ?? false,
        yes: values.yes ?? false,
        folder: resolve(io.cwd, folder ?? '.'),
      });
    } finally {
      await opened.close();
    }
  },
};

interface Run {
  readonly store: FolderStore;
  readonly io: Io;
  readonly terminal: Terminal;
  readonly json: boolean;
  readonly yes: boolean;
  readonly folder: string;
}

/** Each resolves to the program's exit code. */
const actions: Readonly<Record<string, (run: Run) => Promise<number>>> = {
  async ls({ store: records, io, terminal, json }) {
    const found: RecordInfo[] = [];
    for await (const key of records.list({ signal: io.signal })) {
      const info = await records.info(key);
      if (info) found.push(info);
      terminal.status(`${counted(found.length, 'record')}`);
    }
    terminal.clear();
    found.sort((a, b) => b.lastUsed - a.lastUsed);
    if (json) {
      for (const info of found) io.stdout.write(`${JSON.stringify(withoutTokens(info))}\n`);
      return 0;
    }
    if (found.length === 0) {
      terminal.line('There are no records. Run: chunkweave ingest DIR');
      return 0;
    }
    const now = Date.now();
    io.stdout.write(
      table(
        ['key', 'tokens', 'size', 'codec', 'hits', 'used', 'cost', 'source'],
        found.map((info) => [
          info.key.slice(0, 12) + (info.key.length > 64 ? `.${info.key.slice(65, 71)}` : ''),
          String(info.tokens.length),
          formatBytes(info.bytes),
          info.codec,
          String(info.hits),
          `${formatTime(Math.max(0, now - info.lastUsed))} ago`,
          formatTime(info.computeMs),
          info.source ? `${info.source.documentId} ${info.source.start}-${info.source.end}` : '',
        ]),
        { right: [1, 2, 4, 5, 6] },
      ),
    );
    return 0;
  },

  async stats({ store: records, io, json }) {
    let tokens = 0;
    let computeMs = 0;
    let hits = 0;
    for await (const key of records.list({ signal: io.signal })) {
      const info = await records.info(key);
      tokens += info?.tokens.length ?? 0;
      computeMs += info?.computeMs ?? 0;
      hits += info?.hits ?? 0;
    }
    const { records: count, bytes, maxBytes } = await records.stats();
    if (json) {
      io.stdout.write(
        `${JSON.stringify({ records: count, bytes, maxBytes, tokens, computeMs, hits })}\n`,
      );
      return 0;
    }
    io.stdout.write(
      `${counted(count, 'record')} of ${counted(tokens, 'token')}, ${formatBytes(bytes)} of ${formatBytes(maxBytes)}\n` +
        `worth ${formatTime(computeMs)} of prefill, used ${counted(hits, 'time')}\n`,
    );
    return 0;
  },

  async verify({ store: records, io, terminal, json }) {
    const report = await records.verify({
      signal: io.signal,
      onProgress: bar(terminal, 'Checking'),
    });
    terminal.clear();
    const { bad, unknown, failed } = report;
    if (json) io.stdout.write(`${JSON.stringify(report)}\n`);
    else {
      for (const { key, problem } of [...bad, ...unknown, ...failed]) {
        io.stdout.write(`${key}: ${problem}\n`);
      }
      io.stdout.write(
        `${counted(report.records, 'record')} as written, ${formatBytes(report.bytes)}; ${bad.length} damaged and put aside, ` +
          `${unknown.length} of another version, ${failed.length} unreadable\n`,
      );
    }
    return bad.length + failed.length > 0 ? 1 : 0;
  },

  async compact({ store: records, io, json }) {
    const report = await records.compact({ signal: io.signal });
    const files =
      report.temporaries + report.leases + report.quarantined + report.expired + report.outdated;
    io.stdout.write(
      json
        ? `${JSON.stringify(report)}\n`
        : `Removed ${counted(files, 'file')} (${formatBytes(report.bytes)}) and ${counted(report.folders, 'empty folder')}.\n`,
    );
    return 0;
  },

  async export({ store: records, folder, ...run }) {
    const { signal } = run.io;
    return transferred(
      await records.exportTo(folder, { signal, onProgress: bar(run.terminal, 'Copying') }),
      run,
    );
  },

  async import({ store: records, folder, ...run }) {
    const { signal } = run.io;
    return transferred(
      await records.importFrom(folder, { signal, onProgress: bar(run.terminal, 'Copying') }),
      run,
    );
  },

  async clear({ store: records, io, json, yes }) {
    const { records: count, bytes } = await records.stats();
    if (!yes) {
      throw new UsageError(
        `This deletes ${counted(count, 'record')} (${formatBytes(bytes)}). Say so: chunkweave store clear --yes`,
      );
    }
    await records.clear();
    io.stdout.write(
      json
        ? `${JSON.stringify({ records: count, bytes })}\n`
        : `Deleted ${counted(count, 'record')} (${formatBytes(bytes)}).\n`,
    );
    return 0;
  },
};

type Transfer = Awaited<ReturnType<FolderStore['exportTo']>>;

function transferred(
  report: Transfer,
  { io, terminal, json }: Pick<Run, 'io' | 'terminal' | 'json'>,
): number {
  terminal.clear();
  if (json) io.stdout.write(`${JSON.stringify(report)}\n`);
  else {
    for (const { key, problem } of report.problems) io.stdout.write(`${key}: ${problem}\n`);
    io.stdout.write(
      `Copied ${counted(report.records, 'record')} (${formatBytes(report.bytes)}); left out ${report.problems.length}.\n`,
    );
  }
  return report.problems.length > 0 ? 1 : 0;
}

function bar(terminal: Terminal, label: string): (progress: FolderProgress) => void {
  return ({ records, bytes, totalRecords, totalBytes }) =>
    terminal.progress(
      label,
      totalBytes === 0 ? 1 : bytes / totalBytes,
      `${records} of ${counted(totalRecords, 'record')}, ${formatBytes(bytes)}`,
    );
}

/** For a line of JSON: how many tokens, not which, and nothing of what policies keep. */
function withoutTokens(info: RecordInfo): object {
  return { ...info, tokens: info.tokens.length, details: undefined };
}
