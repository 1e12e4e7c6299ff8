import { readFileSync, realpathSync } from 'node:fs';
import { platform } from 'node:os';
import { basename, dirname } from 'node:path';

/** Folders from which this process has loaded a ggml, whoever did so. */
export function loadedDirectories(): string[] {
  const files = sharedObjects().filter((path) => /^(lib)?ggml-base\b/.test(basename(path)));
  return [...new Set(files.map((path) => realDirectory(dirname(path))))];
}

/** A folder's path without links, so that two ways to it are seen to be one. */
export function realDirectory(path: string): string {
  try {
    return realpathSync(path);
  } catch {
    return path;
  }
}

function sharedObjects(): string[] {
  if (platform() === 'linux') {
    try {
      const lines = readFileSync('/proc/self/maps', 'utf8').split('\n');
      return lines.map((line) => line.slice(line.indexOf('/')).replace(/ \(deleted\)$/, ''));
    } catch {
      // Told by the report, if more slowly.
    }
  }
  const report: { excludeNetwork?: boolean; getReport(): object } = process.report;
  const before = report.excludeNetwork;
  // It would look up the names of all that the process is connected to.
  report.excludeNetwork = true;
  try {
    const { sharedObjects: found } = report.getReport() as { sharedObjects?: string[] };
    return found ?? [];
  } finally {
    report.excludeNetwork = before ?? false;
  }
}
