import { readFileSync } from 'node:fs';
import { freemem, platform, totalmem } from 'node:os';
import { join } from 'node:path';

/**
 * Bytes that this process can still take. Elsewhere than on Linux the system itself refuses what it cannot
 * give, and what it calls free leaves out what it would free: there it is what the machine can hold beside
 * this process.
 */
export function availableMemory(): number {
  return platform() === 'linux' ? availableOnLinux() : totalmem() - process.memoryUsage.rss();
}

/**
 * Bytes that can still be taken before Linux ends a process to get them back: what the machine has, or what
 * the process's control groups leave it. Cached file pages count as free: a model that was just downloaded
 * fills a container with them, and they go when memory is needed.
 * @param root where `proc` and `sys` lie.
 */
export function availableOnLinux(root = '/'): number {
  return Math.min(availableOnMachine(root), ...controlGroups(root).map(leftInGroup));
}

function availableOnMachine(root: string): number {
  const found = /^MemAvailable:\s+(\d+) kB/m.exec(read(join(root, 'proc/meminfo')));
  return found ? Number(found[1]) * 1024 : freemem();
}

/** Files of one control group, by its version. */
interface Group {
  readonly folder: string;
  readonly limit: string;
  readonly usage: string;
  readonly cached: RegExp;
}

const versions = [
  {
    mount: 'sys/fs/cgroup',
    line: /^0::(.*)$/m,
    limit: 'memory.max',
    usage: 'memory.current',
    cached: /^(?:active|inactive)_file (\d+)$/gm,
  },
  {
    mount: 'sys/fs/cgroup/memory',
    line: /^\d+:(?:[^:]*,)?memory(?:,[^:]*)?:(.*)$/m,
    limit: 'memory.limit_in_bytes',
    usage: 'memory.usage_in_bytes',
    cached: /^total_(?:active|inactive)_file (\d+)$/gm,
  },
];

/** The process's groups and those above them; each may have a limit. */
function controlGroups(root: string): Group[] {
  const own = read(join(root, 'proc/self/cgroup'));
  return versions.flatMap(({ mount, line, ...files }) => {
    const path = line.exec(own)?.[1];
    if (path === undefined) return [];
    const parts = path.split('/').filter((part) => part !== '' && part !== '..');
    return Array.from({ length: parts.length + 1 }, (_, depth) => ({
      ...files,
      folder: join(root, mount, ...parts.slice(0, depth)),
    }));
  });
}

function leftInGroup({ folder, limit, usage, cached }: Group): number {
  const most = Number.parseInt(read(join(folder, limit)), 10);
  const used = Number.parseInt(read(join(folder, usage)), 10);
  // "max" is none, and so is a file that is not there.
  if (!(most >= 0) || !(used >= 0)) return Infinity;
  let pages = 0;
  for (const [, bytes] of read(join(folder, 'memory.stat')).matchAll(cached)) {
    pages += Number(bytes);
  }
  return Math.max(0, most - used + Math.min(pages, used));
}

function read(path: string): string {
  try {
    return readFileSync(path, 'utf8');
  } catch {
    return '';
  }
}
