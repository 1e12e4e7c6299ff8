import { createReadStream } from 'node:fs';
import { mkdir, open } from 'node:fs/promises';
import { dirname } from 'node:path';
import type { ResultLog } from '../../lib/evaluate/result-log.js';
import { systemCode } from './store/system-error.js';

/**
 * A log in a file, made with its folder when the first line is appended. Each line is written at once: of a process
 * that is killed, the last line may be cut short, no other.
 */
export function fileLog(path: string): ResultLog {
  return {
    async *read() {
      // Not by node:readline, which also ends lines at characters that JSON may hold.
      let rest = '';
      try {
        for await (const text of createReadStream(path, 'utf8')) {
          const lines = (rest + String(text)).split('\n');
          rest = lines.pop() ?? '';
          yield* lines;
        }
      } catch (error) {
        if (systemCode(error) !== 'ENOENT') throw error;
      }
      if (rest !== '') yield rest;
    },
    async append(line) {
      await mkdir(dirname(path), { recursive: true });
      const file = await open(path, 'a+');
      try {
        const { size } = await file.stat();
        const last = Buffer.alloc(1);
        if (size > 0) await file.read(last, 0, 1, size - 1);
        // What a line that was cut short left is ended first.
        const isCut = size > 0 && last[0] !== 0x0a;
        await file.appendFile(`${isCut ? '\n' : ''}${line}\n`);
      } finally {
        await file.close();
      }
    },
  };
}
