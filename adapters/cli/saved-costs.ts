import { createHash, randomUUID } from 'node:crypto';
import { mkdirSync, readFileSync, renameSync, rmSync, writeFileSync } from 'node:fs';
import { dirname, join } from 'node:path';
import { CostModel, type CostSnapshot, type ModelInfo } from '../../lib/index.js';

/** Larger files are no snapshots: one holds some hundred measurements. */
const mostBytes = 2 ** 20;

/**
 * Where what was measured with a model on a device is kept: in a file for each, beside the folder of chunk KV, since what
 * computing takes with one says nothing of another.
 */
export function costsFile(cache: string, { fingerprint }: ModelInfo, device: string): string {
  const name = createHash('sha256').update(`${fingerprint}\0${device}`).digest('hex').slice(0, 16);
  return join(cache, 'costs', `${name}.json`);
}

/**
 * What earlier runs have measured; nothing where there were none. A file that cannot be read or is no snapshot is passed
 * over: it only makes the first predictions worse.
 *
 * @param onProblem hears what was wrong with it.
 */
export function loadCosts(path: string, onProblem: (problem: string) => void): CostModel {
  try {
    const text = readFileSync(path, 'utf8');
    if (text.length > mostBytes) throw new Error('it is too large for a cost model');
    return CostModel.restore(JSON.parse(text) as CostSnapshot);
  } catch (error) {
    if ((error as NodeJS.ErrnoException).code !== 'ENOENT') {
      onProblem(`What earlier runs measured is not used: ${path}: ${(error as Error).message}`);
    }
    return new CostModel();
  }
}

/** Writes it beside and renames it, so that no other run ever reads half of it. A disk that is full is no failure. */
export function saveCosts(
  path: string,
  costs: CostModel,
  onProblem: (problem: string) => void,
): void {
  const beside = `${path}.${randomUUID()}.tmp`;
  try {
    mkdirSync(dirname(path), { recursive: true, mode: 0o700 });
    writeFileSync(beside, JSON.stringify(costs.snapshot()), { mode: 0o600, flag: 'wx' });
    renameSync(beside, path);
  } catch (error) {
    removeQuietly(beside);
    onProblem(`What this run measured is not kept: ${(error as Error).message}`);
  }
}

function removeQuietly(path: string): void {
  try {
    rmSync(path, { force: true });
  } catch {
    // Where its folder is none, it was not made.
  }
}
