import { jest } from '@jest/globals';
import type { PathLike } from 'node:fs';
import * as files from 'node:fs/promises';

/*
 * A file system that fails on demand: for what a test cannot make the real one do. It stands between the store and
 * node:fs/promises, so import it before the store, and the store by `await import`.
 */

type Call =
  | 'open'
  | 'read'
  | 'write'
  | 'sync'
  | 'close'
  | 'rename'
  | 'unlink'
  | 'mkdir'
  | 'lstat'
  | 'statfs'
  | 'readdir'
  | 'link';

interface Fault {
  readonly call: Call;
  readonly code: string;
  /** Which paths; default all. */
  readonly path?: RegExp;
  /** Calls that still work before it fails. */
  after?: number;
}

let faults: Fault[] = [];
let journal: string[] | undefined;
let freeBytes: number | undefined;

/** From now on a call fails, until {@link repair}. */
export function breakCall(fault: Fault): void {
  faults.push({ ...fault });
}

export function repair(): void {
  faults = [];
  journal = undefined;
  freeBytes = undefined;
}

/** The disk has so many bytes left. */
export function setFreeBytes(bytes: number): void {
  freeBytes = bytes;
}

/** Notes calls in their order from now on. */
export function startJournal(): string[] {
  journal = [];
  return journal;
}

function pass(call: Call, path: string): void {
  journal?.push(`${call} ${path}`);
  for (const fault of faults) {
    if (fault.call !== call || (fault.path && !fault.path.test(path))) continue;
    if (fault.after !== undefined && fault.after-- > 0) continue;
    throw Object.assign(new Error(`${fault.code}: ${call} ${path}`), {
      code: fault.code,
      syscall: call,
    });
  }
}

/** Calls on an open file that can fail. */
const onHandle = new Set<string | symbol>(['read', 'write', 'sync', 'close']);

function watched(handle: files.FileHandle, path: string): files.FileHandle {
  return new Proxy(handle, {
    get(target, name) {
      const value: unknown = Reflect.get(target, name, target);
      if (typeof value !== 'function') return value;
      return async (...args: unknown[]) => {
        try {
          if (onHandle.has(name)) pass(name as Call, path);
        } catch (error) {
          if (name === 'close') await target.close();
          throw error;
        }
        return (value as (...args: unknown[]) => unknown).apply(target, args);
      };
    },
  });
}

function around<A extends [PathLike, ...unknown[]], R>(
  call: Call,
  work: (...args: A) => Promise<R>,
): (...args: A) => Promise<R> {
  return async (...args) => {
    pass(call, String(args[0]));
    return work(...args);
  };
}

const open: typeof files.open = async (path, ...rest) => {
  pass('open', String(path));
  return watched(await files.open(path, ...rest), String(path));
};

const statfs = async (path: PathLike) => {
  pass('statfs', String(path));
  const disk = await files.statfs(path);
  return freeBytes === undefined ? disk : { ...disk, bsize: 1, bavail: freeBytes };
};

jest.unstable_mockModule('node:fs/promises', () => ({
  ...files,
  open,
  statfs,
  rename: around('rename', files.rename),
  unlink: around('unlink', files.unlink),
  mkdir: around('mkdir', files.mkdir as (path: PathLike, ...rest: unknown[]) => Promise<unknown>),
  lstat: around('lstat', files.lstat as (path: PathLike, ...rest: unknown[]) => Promise<unknown>),
  link: around('link', files.link),
  readdir: around(
    'readdir',
    files.readdir as unknown as (path: PathLike, ...rest: unknown[]) => Promise<unknown>,
  ),
}));
