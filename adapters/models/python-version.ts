/** Versions of Python packages (PEP 440), as far as choosing a release needs them. */

const PATTERN =
  /^v?(?:(\d+)!)?(\d+(?:\.\d+)*)[-_.]?(?:(a|alpha|b|beta|c|rc|pre|preview)[-_.]?(\d*))?(?:-(\d+)|[-_.]?(?:post|rev|r)[-_.]?(\d*))?(?:[-_.]?(dev)[-_.]?(\d*))?(?:\+.*)?$/i;

export function sameVersion(a: string, b: string): boolean {
  if (a.toLowerCase() === b.toLowerCase()) return true;
  return parse(a) !== undefined && parse(b) !== undefined && compareVersions(a, b) === 0;
}

export function isPrerelease(version: string): boolean {
  const match = PATTERN.exec(version);
  return !match || match[3] !== undefined || match[7] !== undefined;
}

/** Below zero when `a` is older. What is no version at all is older than all that are. */
export function compareVersions(a: string, b: string): number {
  const [left, right] = [parse(a), parse(b)];
  if (!left || !right) return Number(Boolean(left)) - Number(Boolean(right));
  const length = Math.max(left.release.length, right.release.length);
  const padded = (release: readonly number[]): number[] =>
    Array.from({ length }, (_, i) => release[i] ?? 0);
  const x = [left.epoch, ...padded(left.release), ...left.rest];
  const y = [right.epoch, ...padded(right.release), ...right.rest];
  const at = x.findIndex((value, i) => value !== y[i]);
  return at < 0 ? 0 : x[at]! - y[at]!;
}

function parse(version: string): { epoch: number; release: number[]; rest: number[] } | undefined {
  const match = PATTERN.exec(version);
  if (!match) return undefined;
  const [, epoch, release, pre, preNumber, post, postNumber, dev, devNumber] = match;
  const isPost = post !== undefined || postNumber !== undefined;
  // 1.0.dev1 < 1.0a1 < 1.0rc1 < 1.0 < 1.0.post1
  const stage = pre ? 'abcrp'.indexOf(pre[0]!.toLowerCase()) : dev && !isPost ? -1 : 9;
  return {
    epoch: Number(epoch ?? 0),
    release: release!.split('.').map(Number),
    rest: [
      // c, rc and pre are one stage.
      stage >= 2 && stage < 9 ? 2 : stage,
      Number(preNumber || 0),
      isPost ? Number(post ?? (postNumber || 0)) + 1 : 0,
      dev ? Number(devNumber || 0) : Number.MAX_SAFE_INTEGER,
    ],
  };
}
