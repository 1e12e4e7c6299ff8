import { createHash } from 'node:crypto';
import { fileURLToPath } from 'node:url';
import { InvalidArgumentError } from '../../lib/errors.js';
import { CONVERSION, type WeightType, weightTypes } from './convert/weight-type.js';

/** A file on a hub of models. */
export interface HubSource {
  readonly kind: 'hub';
  readonly repository: string;
  readonly revision: string;
  readonly file: string;
}

/** A file on any web server. */
export interface UrlSource {
  readonly kind: 'url';
  readonly url: URL;
}

/** One file inside a wheel of a Python package, or a folder there that a file is made of. */
export interface PackageSource {
  readonly kind: 'package';
  readonly project: string;
  readonly version: string | undefined;
  readonly member: string;
  /** Set for a folder in the form of sentence-transformers: how the GGUF file made of it stores its matrices. */
  readonly convert?: WeightType;
}

export type Piece = HubSource | UrlSource | PackageSource;

/** Something that can be fetched: one piece, or the parts of one file in their order. */
export interface RemoteSource {
  readonly kind: 'remote';
  readonly pieces: readonly Piece[];
  /** SHA-256 from the `#sha256=` at the end of the text. */
  readonly sha256: string | undefined;
  /** For people: without credentials and query. */
  readonly label: string;
  /** For commands to repeat: the text itself, or the label where the text holds credentials or a query. */
  readonly shown: string;
  /** The same for the same content, whatever the credentials. */
  readonly identity: string;
  /** Last part of the (first) file's name, safe on every platform. */
  readonly fileName: string;
}

export type ParsedSource =
  | { readonly kind: 'alias'; readonly name: string }
  | { readonly kind: 'path'; readonly path: string }
  | RemoteSource;

export const aliasPattern = /^[a-z0-9][a-z0-9._-]{0,63}$/i;
const remoteScheme = /^(hf|pypi|https?):/i;
const digestPattern = /^[0-9a-f]{64}$/;
const badSegment = /^\.{0,2}$|[\\\0]/;

/**
 * Reads `hf:owner/repo[@revision]/file`, `pypi:package[==version]/file`, `pypi:package[==version]/folder/[@type]`, an
 * http(s) URL, a path, or an alias.
 * Each that must be fetched may end in `#sha256=` and the hash that its content must have; parts of one file are
 * joined by ` + `.
 *
 * @throws InvalidArgumentError when the text is none of these.
 */
export function parseSource(text: string): ParsedSource {
  if (typeof text !== 'string' || text.trim() === '') {
    throw new InvalidArgumentError(
      'The model source is empty; give an alias, a path, or hf:…, pypi:… or https://….',
    );
  }
  if (remoteScheme.test(text)) return parseRemote(text);
  if (/^file:/i.test(text)) return { kind: 'path', path: fromFileUrl(text) };
  if (/[\\/]|^[.~]|\.gguf$/i.test(text)) return { kind: 'path', path: text };
  if (aliasPattern.test(text)) return { kind: 'alias', name: text.toLowerCase() };
  return { kind: 'path', path: text };
}

/** Like {@link parseSource} for sources that must be fetched. */
export function parseRemote(text: string): RemoteSource {
  const { body, sha256 } = splitDigest(text);
  const pieces = body.split(' + ').map((part) => parsePiece(part.trim()));
  const more = pieces.length > 1 ? ` + ${pieces.length - 1} more` : '';
  const label = labelOf(pieces[0]!) + more;
  const secret = pieces.some(
    (piece) => piece.kind === 'url' && withoutSecrets(piece.url) !== piece.url.href,
  );
  const converts = pieces.some((piece) => piece.kind === 'package' && piece.convert);
  const identity = createHash('sha256')
    .update(pieces.map(identityOf).join('\n') + (converts ? `\nconversion ${CONVERSION}` : ''))
    .digest('hex');
  return {
    kind: 'remote',
    pieces,
    sha256,
    label,
    shown: secret ? label : text,
    identity,
    fileName: fileNameOf(pieces[0]!, pieces.length),
  };
}

function splitDigest(text: string): { body: string; sha256: string | undefined } {
  const at = text.lastIndexOf('#');
  if (at < 0) return { body: text, sha256: undefined };
  const fragment = /^sha256[=:](.*)$/i.exec(text.slice(at + 1))?.[1];
  if (text.includes(' + ', at)) {
    throw new InvalidArgumentError('A "#" may come only after the last part of a model source.');
  }
  if (fragment === undefined) return { body: text.slice(0, at), sha256: undefined };
  return { body: text.slice(0, at), sha256: parseDigest(fragment) };
}

/** @throws InvalidArgumentError unless `value` is a SHA-256 in hex. */
export function parseDigest(value: string): string {
  const digest = value.toLowerCase();
  if (!digestPattern.test(digest)) {
    throw new InvalidArgumentError(`"${value}" is no SHA-256: give its 64 hex digits.`);
  }
  return digest;
}

function parsePiece(text: string): Piece {
  if (/^hf:/i.test(text)) return parseHub(text);
  if (/^pypi:/i.test(text)) return parsePackage(text);
  return { kind: 'url', url: parseUrl(text) };
}

function parseHub(text: string): HubSource {
  const [owner, name, ...file] = text.slice(3).split('/');
  const [repository = '', revision = 'main', ...more] = (name ?? '').split('@');
  const segment = /^\w[\w.-]*$/;
  const names = [owner ?? '', repository, revision];
  if (more.length > 0 || !names.every((part) => segment.test(part))) {
    throw new InvalidArgumentError(
      `"${text}" names no file of a hub; write hf:owner/repo/file.gguf.`,
    );
  }
  return {
    kind: 'hub',
    repository: `${owner}/${repository}`,
    revision,
    file: innerPath(text, file),
  };
}

function parsePackage(text: string): PackageSource {
  const [head = '', ...member] = text.slice(5).split('/');
  const match = /^([a-z0-9](?:[a-z0-9._-]*[a-z0-9])?)(?:==([a-z0-9][a-z0-9.!+_-]*))?$/i.exec(head);
  if (!match) {
    throw new InvalidArgumentError(
      `"${text}" names no file of a package; write pypi:package==version/path/in/wheel.gguf.`,
    );
  }
  const convert = /^(?:|@.*)$/.test(member.at(-1) ?? '@') ? member.pop() : undefined;
  return {
    kind: 'package',
    project: match[1]!.replaceAll(/[-_.]+/g, '-').toLowerCase(),
    version: match[2],
    member: innerPath(text, member),
    ...(convert !== undefined && { convert: weightTypeOf(text, convert.slice(1)) }),
  };
}

/** What follows the `@` behind a folder; without it, half precision. */
function weightTypeOf(text: string, name: string): WeightType {
  const type = name === '' ? 'f16' : weightTypes.find((known) => known === name);
  if (type) return type;
  throw new InvalidArgumentError(
    `"${text}" asks for weights of type "${name}"; ${weightTypes.join(', ')} can be written.`,
  );
}

function innerPath(text: string, segments: readonly string[]): string {
  if (segments.length === 0 || segments.some((segment) => badSegment.test(segment))) {
    throw new InvalidArgumentError(
      `"${text}" must end in a plain file path: no empty part, no "..", no backslash.`,
    );
  }
  return segments.join('/');
}

function parseUrl(text: string): URL {
  if (!/^https?:/i.test(text)) {
    throw new InvalidArgumentError(
      'Each part of a model source must be one of hf:…, pypi:… and https://….',
    );
  }
  // Neither the text nor the cause is shown: there may be credentials in them.
  if (!URL.canParse(text)) throw new InvalidArgumentError('The URL of the model is not valid.');
  const url = new URL(text);
  if (url.protocol === 'http:' && !isLoopback(url.hostname)) {
    throw new InvalidArgumentError(
      `"${withoutSecrets(url)}" is not encrypted; use https (http only reaches this machine).`,
    );
  }
  url.hash = '';
  return url;
}

function fromFileUrl(text: string): string {
  try {
    return fileURLToPath(text);
  } catch (cause) {
    throw new InvalidArgumentError(
      `"${text}" names no file of this machine; write file:///path/to/model.gguf, or just the path.`,
      { cause },
    );
  }
}

export function isLoopback(hostname: string): boolean {
  const host = hostname.replaceAll(/^\[|\]$/g, '').toLowerCase();
  return host === 'localhost' || host === '::1' || /^127(\.\d{1,3}){3}$/.test(host);
}

/** A URL to show: credentials and query may be secrets. */
export function withoutSecrets(url: URL): string {
  return `${url.protocol}//${url.host}${url.pathname}${url.search && '?…'}`;
}

function labelOf(piece: Piece): string {
  return piece.kind === 'url' ? withoutSecrets(piece.url) : identityOf(piece);
}

function identityOf(piece: Piece): string {
  switch (piece.kind) {
    case 'hub': {
      const revision = piece.revision === 'main' ? '' : `@${piece.revision}`;
      return `hf:${piece.repository}${revision}/${piece.file}`;
    }
    case 'package': {
      const version = piece.version === undefined ? '' : `==${piece.version}`;
      const file = `pypi:${piece.project}${version}/${piece.member}`;
      return piece.convert === undefined ? file : `${file}/@${piece.convert}`;
    }
    case 'url': {
      const { protocol, host, pathname, search } = piece.url;
      return `${protocol}//${host}${pathname}${search}`;
    }
  }
}

function fileNameOf(piece: Piece, pieces: number): string {
  if (piece.kind === 'package' && piece.convert) {
    return safeName(`${piece.project}-${piece.convert}.gguf`);
  }
  const path =
    piece.kind === 'hub'
      ? piece.file
      : piece.kind === 'package'
        ? piece.member
        : piece.url.pathname;
  const last = path.slice(path.lastIndexOf('/') + 1);
  const whole = pieces > 1 ? last.replace(/\.part[-_]?\d+$/i, '') : last;
  return safeName(piece.kind === 'url' ? decodeLenient(whole) : whole);
}

function decodeLenient(text: string): string {
  try {
    return decodeURIComponent(text);
  } catch {
    return text;
  }
}

/** A name for a file or folder that no platform minds and that cannot leave its folder. */
export function safeName(name: string): string {
  const plain = name
    .replaceAll(/[^A-Za-z0-9._-]+/g, '_')
    .replace(/[._]+$/, '')
    .slice(-100)
    .replace(/^[._-]+/, '');
  const reserved = /^(con|prn|aux|nul|com\d|lpt\d)(\.|$)/i;
  // What lies beside the file, see cache.ts and lock.ts.
  const beside = /^(model\.json|lock|lock\.removal)$/i;
  if (plain === '') return 'model';
  return reserved.test(plain) || beside.test(plain) ? `x-${plain}` : plain;
}
