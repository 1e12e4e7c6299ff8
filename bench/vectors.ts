import { monitorEventLoopDelay } from 'node:perf_hooks';
import { MissingPackageError, type VectorIndex } from '../lib/index.js';
import { atLeast, benchWith, emptyOutcome, isWanted, median, round, timed } from './harness.js';
import { clusteredVectors } from './vectors/clustered.js';
import { indexes } from './vectors/indexes.js';

const dimensions = 384;
const k = 10;
const leastRecall = 0.98;

const own = {
  sizes: { type: 'string', value: 'N,N', default: '1000,10000,100000', help: 'vectors' },
  queries: { type: 'string', value: 'N', default: '200', help: 'queries of each index' },
} as const;

/** Indexes of vectors: time to build and to query, and how many of the ten nearest they find. */
export const vectors = benchWith(own, async (options, { sizes, queries }) => {
  const { log } = options;
  const outcome = emptyOutcome(`clustered random vectors of ${dimensions}`);
  const { figures, goals, skipped } = outcome;
  const wanted = Object.entries(indexes).filter(([name]) => isWanted(name, options, outcome));
  for (const size of sizes.split(',').map(Number)) {
    const data = clusteredVectors(size, Number(queries), dimensions);
    let exact: string[][] | undefined;
    for (const [name, { open, maxSize }] of wanted) {
      const label = `${name}.${size}`;
      if (size > maxSize) {
        skipped.push(`${label}: more than ${maxSize} vectors`);
        continue;
      }
      let index: VectorIndex;
      try {
        index = await open({ fingerprint: 'clustered', dimensions });
      } catch (error) {
        if (!(error instanceof MissingPackageError)) throw error;
        skipped.push(`${label}: ${error.message}`);
        continue;
      }
      try {
        const delay = monitorEventLoopDelay({ resolution: 1 });
        delay.enable();
        await turns();
        figures[`${label}.build.s`] = round((await timed(() => index.add(data.entries))) / 1000);
        await turns();
        delay.disable();
        const buildDelay = delay.max;
        const times: number[] = [];
        const found: string[][] = [];
        delay.reset();
        delay.enable();
        await turns();
        for (const query of data.queries) {
          times.push(
            await timed(async () => {
              found.push((await index.query(query, { k })).map(({ id }) => id));
            }),
          );
          await turns();
        }
        delay.disable();
        figures[`${label}.query.ms`] = round(median(times));
        figures[`${label}.query.p95.ms`] = round(
          times.sort((a, b) => a - b)[Math.floor(0.95 * times.length)] as number,
        );
        figures[`${label}.build.eventLoop.max.ms`] = round(buildDelay / 1e6);
        figures[`${label}.query.eventLoop.max.ms`] = round(delay.max / 1e6);
        if (name === 'flat') exact = found;
        else if (exact) {
          const recall = recallOf(found, exact);
          figures[`${label}.recall@${k}`] = round(recall);
          if (name === 'hnswlib') goals[`${label}.recall@${k}`] = atLeast(recall, leastRecall);
        } else skipped.push(`${label}: no recall without flat`);
        log(
          `${label}: built in ${figures[`${label}.build.s`]} s, ${figures[`${label}.query.ms`]} ms a query`,
        );
      } finally {
        await index.close();
      }
    }
  }
  return outcome;
});

/** A delay is noted when the loop comes round again. */
async function turns(): Promise<void> {
  for (let turn = 0; turn < 3; turn++) await new Promise((resolve) => setTimeout(resolve, 2));
}

/** Share of what is there that was found. */
function recallOf(found: readonly string[][], there: readonly string[][]): number {
  let hits = 0;
  let all = 0;
  for (const [i, ids] of there.entries()) {
    const own = new Set(found[i]);
    hits += ids.filter((id) => own.has(id)).length;
    all += ids.length;
  }
  return hits / all;
}
