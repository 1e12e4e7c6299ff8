import {
  file,
  type Handler,
  routes,
  serve,
  text,
  type TestServer,
  type TlsIdentity,
} from './server.js';
import { sha256Of } from './user.js';

export interface OfferedFile {
  readonly name: string;
  readonly content: Buffer;
  /** What the index says: default the true one, null for none. */
  readonly sha256?: string | null;
  readonly size?: number;
  readonly yanked?: boolean | string;
  /** Default: absolute, under `/files`. */
  readonly url?: string;
}

export interface IndexOptions {
  readonly project?: string;
  readonly form?: 'json' | 'html';
  readonly tls?: TlsIdentity;
  /** Paths besides. */
  readonly more?: Readonly<Record<string, Handler>>;
  /** Sees every request first, and may answer it: then it returns true. */
  readonly guard?: Handler | ((...args: Parameters<Handler>) => boolean);
}

/** A package index under `/simple/`, with its files under `/files/`. */
export async function packageIndex(
  files: readonly OfferedFile[],
  { project = 'tiny-model', form = 'json', tls, more = {}, guard }: IndexOptions = {},
): Promise<TestServer> {
  const table: Record<string, Handler> = {
    [`/simple/${project}/`]: (request, response) => {
      const type =
        form === 'json' ? 'application/vnd.pypi.simple.v1+json' : 'text/html; charset=utf-8';
      const page = form === 'json' ? jsonPage(files) : htmlPage(files);
      text(page, type)(request, response);
    },
    ...Object.fromEntries(files.map(({ name, content }) => [`/files/${name}`, file({ content })])),
    ...more,
  };
  const answer = routes(table);
  return serve((request, response) => {
    if (guard?.(request, response) !== true) answer(request, response);
  }, tls);
}

export function jsonPage(files: readonly OfferedFile[]): string {
  return JSON.stringify({
    meta: { 'api-version': '1.0' },
    files: files.map(({ name, content, sha256 = sha256Of(content), size, yanked, url }) => ({
      filename: name,
      url: url ?? `/files/${name}`,
      hashes: sha256 === null ? {} : { sha256 },
      size,
      yanked,
    })),
  });
}

export function htmlPage(files: readonly OfferedFile[]): string {
  const links = files.map(({ name, content, sha256 = sha256Of(content), yanked = false, url }) => {
    const hash = sha256 === null ? '' : `#sha256=${sha256}`;
    const mark = yanked === false ? '' : ` data-yanked="${yanked === true ? '' : yanked}"`;
    return `<a href="${url ?? `../../files/${name}`}${hash}"${mark}>${name}</a><br>`;
  });
  return `<!DOCTYPE html><html><body><h1>Links</h1>${links.join('\n')}</body></html>`;
}
