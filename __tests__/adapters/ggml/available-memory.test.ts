import { mkdirSync, mkdtempSync, rmSync, writeFileSync } from 'node:fs';
import { freemem, platform, tmpdir, totalmem } from 'node:os';
import { dirname, join } from 'node:path';
import { afterAll, describe, expect, test } from '@jest/globals';
import { availableMemory, availableOnLinux } from '../../../adapters/ggml/available-memory.js';

const MB = 1024 * 1024;
const folders: string[] = [];
afterAll(() => folders.forEach((folder) => rmSync(folder, { recursive: true, force: true })));

/** A folder with the files of a machine that has 8,000 MB left, and those given. */
function machine(files: Record<string, string>): string {
  const root = mkdtempSync(join(tmpdir(), 'chunkweave-memory-'));
  folders.push(root);
  const meminfo = `MemTotal: ${16000 * 1024} kB\nMemFree: ${500 * 1024} kB\nMemAvailable:   ${8000 * 1024} kB\n`;
  for (const [path, text] of Object.entries({ 'proc/meminfo': meminfo, ...files })) {
    mkdirSync(dirname(join(root, path)), { recursive: true });
    writeFileSync(join(root, path), text);
  }
  return root;
}

const bytes = (mb: number): string => `${mb * MB}\n`;
const stat = (active: number, inactive: number): string =>
  `anon ${300 * MB}\nfile ${(active + inactive + 50) * MB}\nshmem ${50 * MB}\n` +
  `inactive_anon 0\nactive_anon ${300 * MB}\ninactive_file ${inactive * MB}\nactive_file ${active * MB}\n`;

describe('on Linux', () => {
  test('without control groups it is what the machine has, cached files included', () => {
    expect(availableOnLinux(machine({}))).toBe(8000 * MB);
  });

  test('a limit counts what the group holds, but not cached files', () => {
    const group = 'sys/fs/cgroup/app/';
    const files = {
      'proc/self/cgroup': '0::/app\n',
      [`${group}memory.max`]: bytes(4000),
      [`${group}memory.current`]: bytes(3000),
    };
    expect(availableOnLinux(machine(files))).toBe(1000 * MB);
    const cached = { ...files, [`${group}memory.stat`]: stat(500, 1700) };
    expect(availableOnLinux(machine(cached))).toBe(3200 * MB);
  });

  test('the tightest of the groups above counts, and the machine', () => {
    const nested = {
      'proc/self/cgroup': '0::/system.slice/app.service\n',
      'sys/fs/cgroup/system.slice/app.service/memory.max': 'max\n',
      'sys/fs/cgroup/system.slice/app.service/memory.current': bytes(100),
      'sys/fs/cgroup/system.slice/memory.max': bytes(2500),
      'sys/fs/cgroup/system.slice/memory.current': bytes(2000),
    };
    expect(availableOnLinux(machine(nested))).toBe(500 * MB);
    nested['sys/fs/cgroup/system.slice/memory.max'] = bytes(14000);
    expect(availableOnLinux(machine(nested))).toBe(8000 * MB);
  });

  test('a container sees its own group at the root', () => {
    const files = {
      'proc/self/cgroup': '0::/\n',
      'sys/fs/cgroup/memory.max': bytes(1000),
      'sys/fs/cgroup/memory.current': bytes(1200),
    };
    expect(availableOnLinux(machine(files))).toBe(0);
  });

  test('the first version of control groups is read too', () => {
    const group = 'sys/fs/cgroup/memory/docker/abc/';
    const files = {
      'proc/self/cgroup': '12:cpu,cpuacct:/other\n5:memory:/docker/abc\n0::/\n',
      [`${group}memory.limit_in_bytes`]: bytes(2000),
      [`${group}memory.usage_in_bytes`]: bytes(1500),
      [`${group}memory.stat`]: `cache 5\ninactive_file 7\ntotal_inactive_file ${400 * MB}\ntotal_active_file ${100 * MB}\n`,
    };
    expect(availableOnLinux(machine(files))).toBe(1000 * MB);
    files[`${group}memory.limit_in_bytes`] = '9223372036854771712\n';
    expect(availableOnLinux(machine(files))).toBe(8000 * MB);
  });

  test('files that cannot be read are no limit', () => {
    const files = { 'proc/self/cgroup': '0::/gone\n', 'proc/meminfo': 'nothing' };
    const found = availableOnLinux(machine(files));
    expect(Math.abs(found - freemem())).toBeLessThan(totalmem() / 4);
  });
});

/** Whether it is seen that 300 MB are taken. */
function falls(): boolean {
  const before = availableMemory();
  const taken = Buffer.alloc(300 * MB, 1);
  return before - availableMemory() > taken.length / 2;
}

test('on this machine it is some memory, and follows what is taken', () => {
  const found = availableMemory();
  expect(found).toBeGreaterThan(0);
  expect(found).toBeLessThanOrEqual(totalmem());
  if (platform() !== 'linux') return;
  // Others take and give back memory meanwhile, so that it is tried more than once.
  expect(Array.from({ length: 5 }).some(falls)).toBe(true);
});
