import { readFile } from 'node:fs/promises';
import { homedir } from 'node:os';
import { join } from 'node:path';
import type { Environment, NetworkAccess } from './network.js';

/** Where packages come from, as the user's pip is set up. */
export interface PipSettings {
  /** Index URLs, the main one first. Empty when the settings forbid any index. */
  readonly indexes: readonly URL[];
  readonly access: NetworkAccess;
}

export const DEFAULT_INDEX = 'https://pypi.org/simple';

/**
 * Reads pip's settings, without pip: PIP_INDEX_URL, PIP_EXTRA_INDEX_URL, PIP_NO_INDEX, PIP_CERT,
 * PIP_TRUSTED_HOST, PIP_PROXY, and the same keys under `[global]` and `[download]` of PIP_CONFIG_FILE and of
 * pip.conf (pip.ini) in its usual places. A setting in the environment wins, then `[download]`, then the
 * later file: machine, user, virtual environment, PIP_CONFIG_FILE. Not read: find-links, .netrc, client-cert,
 * keyrings.
 */
export async function pipSettings(
  env: Environment,
  platform: NodeJS.Platform = process.platform,
): Promise<PipSettings> {
  const values = new Map<string, string>();
  const sections: Map<string, string>[] = [new Map(), new Map()];
  for (const file of configFiles(env, platform)) {
    const text = await readFile(file, 'utf8').catch(() => undefined);
    if (text === undefined) continue;
    for (const { section, key, value } of parseIni(text)) {
      if (section === 'global') sections[0]!.set(key, value);
      if (section === 'download') sections[1]!.set(key, value);
    }
  }
  for (const section of sections) for (const [key, value] of section) values.set(key, value);
  for (const [name, value] of Object.entries(env)) {
    if (/^PIP_/i.test(name) && value) values.set(normalKey(name.slice(4)), value);
  }

  const list = (key: string): string[] => (values.get(key) ?? '').split(/\s+/).filter(Boolean);
  const noIndex = /^(?:1|true|yes|on|y|t)$/i.test(values.get('no-index') ?? '');
  const texts = noIndex ? [] : [...list('index-url').slice(0, 1), ...list('extra-index-url')];
  if (!noIndex && list('index-url').length === 0) texts.unshift(DEFAULT_INDEX);
  const cert = values.get('cert') || env['REQUESTS_CA_BUNDLE'] || env['CURL_CA_BUNDLE'];
  return {
    indexes: texts.flatMap(toUrl),
    access: {
      ca: cert ? await readFile(cert, 'utf8').catch(() => undefined) : undefined,
      trustedHosts: list('trusted-host').map((host) => host.toLowerCase()),
      proxy: values.get('proxy') || undefined,
    },
  };
}

function toUrl(text: string): URL[] {
  try {
    return [new URL(text.endsWith('/') ? text : `${text}/`)];
  } catch {
    return [];
  }
}

/** Least important first. */
function configFiles(env: Environment, platform: NodeJS.Platform): string[] {
  const named = env['PIP_CONFIG_FILE'];
  // pip reads no file at all when the variable names the null device.
  if (named === '/dev/null' || named?.toLowerCase() === 'nul') return [];
  const home = env['HOME'] || env['USERPROFILE'] || homedir();
  const name = platform === 'win32' ? 'pip.ini' : 'pip.conf';
  const files: string[] = [];
  if (platform === 'win32') {
    files.push(join(env['PROGRAMDATA'] || 'C:\\ProgramData', 'pip', name), join(home, 'pip', name));
    if (env['APPDATA']) files.push(join(env['APPDATA'], 'pip', name));
  } else if (platform === 'darwin') {
    files.push(`/Library/Application Support/pip/${name}`, join(home, '.pip', name));
    files.push(join(home, '.config', 'pip', name));
    files.push(join(home, 'Library', 'Application Support', 'pip', name));
  } else {
    const shared = (env['XDG_CONFIG_DIRS'] || '/etc/xdg').split(':').filter(Boolean).toReversed();
    files.push(...shared.map((folder) => join(folder, 'pip', name)), `/etc/${name}`);
    files.push(join(home, '.pip', name));
    files.push(join(env['XDG_CONFIG_HOME'] || join(home, '.config'), 'pip', name));
  }
  if (env['VIRTUAL_ENV']) files.push(join(env['VIRTUAL_ENV'], name));
  if (named) files.push(named);
  return files;
}

interface IniEntry {
  readonly section: string;
  readonly key: string;
  readonly value: string;
}

/** The subset of Python's configparser that pip files use: sections, `=` or `:`, indented continuation. */
export function parseIni(text: string): IniEntry[] {
  const entries: { section: string; key: string; value: string }[] = [];
  let section = '';
  let open = false;
  for (const line of text.replace(/^\uFEFF/, '').split(/\r?\n/)) {
    if (/^\s*(?:[#;]|$)/.test(line)) continue;
    const heading = /^\[([^\]]+)\]/.exec(line);
    const last = entries.at(-1);
    if (heading) {
      section = heading[1]!.trim().toLowerCase();
      open = false;
    } else if (/^\s/.test(line) && open && last) {
      last.value = `${last.value}\n${line.trim()}`.trim();
    } else {
      const [, key = '', value = ''] = /^\s*([^=:]+?)\s*[=:]\s*(.*)$/.exec(line) ?? [];
      if (!key) continue;
      entries.push({ section, key: normalKey(key), value: value.trim() });
      open = true;
    }
  }
  return entries;
}

function normalKey(name: string): string {
  return name.toLowerCase().replaceAll('_', '-').replace(/^--/, '');
}
