import { Parser } from 'htmlparser2';
import { ContentFailure, NetworkFailure, StatusFailure } from './failures.js';
import { basicAuthorization, type Network, readText, statusFailure } from './network.js';
import type { PipSettings } from './pip-settings.js';
import { compareVersions, isPrerelease, sameVersion } from './python-version.js';

/** A wheel that an index offers. */
export interface IndexedWheel {
  readonly filename: string;
  readonly version: string;
  readonly url: URL;
  readonly sha256?: string;
  /** Bytes of the whole wheel, where the index says. */
  readonly size?: number;
  readonly yanked: boolean;
  /** For the file, when it lies on the index's own host. */
  readonly authorization?: string;
}

interface IndexRequest {
  readonly project: string;
  readonly version?: string | undefined;
  readonly settings: PipSettings;
  readonly network: Network;
  readonly signal?: AbortSignal | undefined;
}

const ACCEPT =
  'application/vnd.pypi.simple.v1+json, application/vnd.pypi.simple.v1+html;q=0.2, text/html;q=0.01';
const MAX_PAGE = 64e6;

/**
 * The wheel of the named version, else of the newest release that is neither yanked nor a pre-release.
 * @throws NetworkFailure, StatusFailure or ContentFailure when no index has it or none can be reached.
 */
export async function findWheel(wanted: IndexRequest): Promise<IndexedWheel> {
  const { indexes } = wanted.settings;
  if (indexes.length === 0) {
    throw new NetworkFailure("pip's settings allow no package index (no-index, or no valid URL)", {
      transient: false,
    });
  }
  const found: IndexedWheel[] = [];
  let failure: unknown;
  for (const index of indexes) {
    try {
      const wheels = await wheelsOf(index, wanted);
      const { version } = wanted;
      found.push(...wheels.filter((wheel) => !version || sameVersion(wheel.version, version)));
      if (version && found.length > 0) break;
    } catch (error) {
      wanted.signal?.throwIfAborted();
      failure ??= error;
    }
  }
  const best = choose(found, wanted.version !== undefined);
  if (best) return best;
  if (failure) throw failure;
  const what = `${wanted.project}${wanted.version ? `==${wanted.version}` : ''}`;
  const hosts = indexes.map(({ host }) => host).join(', ');
  throw new StatusFailure(404, `the package index (${hosts}) has no wheel of ${what}`);
}

function choose(wheels: readonly IndexedWheel[], named: boolean): IndexedWheel | undefined {
  const fresh = wheels.filter(({ yanked }) => named || !yanked);
  const stable = fresh.filter(({ version }) => named || !isPrerelease(version));
  const pure = ({ filename }: IndexedWheel): number => (filename.endsWith('-none-any.whl') ? 1 : 0);
  // A stable sort: of equals, the first index wins.
  return (stable.length > 0 ? stable : fresh).toSorted(
    (a, b) => compareVersions(b.version, a.version) || pure(b) - pure(a),
  )[0];
}

async function wheelsOf(index: URL, wanted: IndexRequest): Promise<IndexedWheel[]> {
  const name = wanted.project.toLowerCase().replaceAll(/[-_.]+/g, '-');
  const authorization = basicAuthorization(index);
  const response = await wanted.network.get(new URL(`${name}/`, index), {
    headers: { accept: ACCEPT },
    authorization,
    access: wanted.settings.access,
    signal: wanted.signal,
  });
  if (response.status === 404) {
    response.close();
    return [];
  }
  if (response.status !== 200) throw statusFailure(response);
  const text = await readText(response, MAX_PAGE);
  const json = /json/i.test(response.headers['content-type'] ?? '');
  const files = json ? parseJson(text, response.url) : parseHtml(text, response.url);
  return files.flatMap((file): IndexedWheel[] => {
    const version = /^[^-]+-([^-]+)-(?:[^-]+-){2,3}[^-]+\.whl$/.exec(file.filename)?.[1];
    if (version === undefined) return [];
    const own = authorization !== undefined && file.url.origin === index.origin;
    return [{ ...file, version, ...(own && { authorization }) }];
  });
}

type IndexedFile = Omit<IndexedWheel, 'version' | 'authorization'>;

function parseJson(text: string, base: URL): IndexedFile[] {
  let page: unknown;
  try {
    page = JSON.parse(text);
  } catch (cause) {
    throw new ContentFailure(`the index ${base.host} answers with broken JSON`, { cause });
  }
  const files = isObject(page) && Array.isArray(page['files']) ? (page['files'] as unknown[]) : [];
  return files.filter(isObject).flatMap((file): IndexedFile[] => {
    const { filename, url, hashes, size, yanked } = file;
    if (typeof filename !== 'string' || typeof url !== 'string') return [];
    const target = toUrl(url, base);
    if (!target) return [];
    const sha256 = isObject(hashes) ? hashes['sha256'] : undefined;
    return [
      {
        filename,
        url: target,
        yanked: yanked !== undefined && yanked !== false,
        ...(isSha256(sha256) && { sha256: sha256.toLowerCase() }),
        ...(typeof size === 'number' && size > 0 && { size }),
      },
    ];
  });
}

function parseHtml(text: string, page: URL): IndexedFile[] {
  const files: IndexedFile[] = [];
  let base = page;
  const parser = new Parser({
    onopentag(name, attributes) {
      const href = attributes['href'];
      if (href === undefined) return;
      if (name === 'base') base = toUrl(href, page) ?? base;
      const url = name === 'a' ? toUrl(href, base) : undefined;
      if (!url) return;
      const sha256 = /(?:^#|&)sha256=([0-9a-f]{64})(?:&|$)/i.exec(url.hash)?.[1]?.toLowerCase();
      url.hash = '';
      const filename = lastSegment(url);
      const yanked = attributes['data-yanked'] !== undefined;
      files.push({ filename, url, yanked, ...(sha256 !== undefined && { sha256 }) });
    },
  });
  parser.end(text);
  return files;
}

/** A link that cannot be read is left out: the others may be good. */
function toUrl(text: string, base: URL): URL | undefined {
  return URL.canParse(text, base.href) ? new URL(text, base) : undefined;
}

function lastSegment(url: URL): string {
  const segment = url.pathname.split('/').at(-1) ?? '';
  try {
    return decodeURIComponent(segment);
  } catch {
    return segment;
  }
}

function isObject(value: unknown): value is Record<string, unknown> {
  return typeof value === 'object' && value !== null;
}

function isSha256(value: unknown): value is string {
  return typeof value === 'string' && /^[0-9a-f]{64}$/i.test(value);
}
