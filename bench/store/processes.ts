import { atMost, median, round } from '../harness.js';
import { reportOf } from './child.js';
import type { StoreBench } from './part.js';

export interface WorkerReport {
  readonly operations: number;
  readonly torn: number;
  readonly lost: number;
  readonly milliseconds: number;
}

const OPERATIONS = 400;

/** Four processes that read and write one folder, against one. */
export const processes: StoreBench = async ({ directory, options, outcome }) => {
  const { figures, goals } = outcome;
  const ratios: number[] = [];
  let bad = 0;
  const rates: Record<number, number[]> = { 1: [], 4: [] };
  for (let run = 0; run < Math.min(5, options.repeat); run++) {
    const rateOf = async (count: number): Promise<number> => {
      const folder = `${directory}-${count}-${run}`;
      const reports = await Promise.all(Array.from({ length: count }, (_, i) => work(folder, i)));
      for (const { torn, lost } of reports) bad += torn + lost;
      const longest = Math.max(...reports.map(({ milliseconds }) => milliseconds));
      const rate = (1000 * reports.reduce((sum, one) => sum + one.operations, 0)) / longest;
      rates[count]?.push(rate);
      return rate;
    };
    const one = await rateOf(1);
    ratios.push((await rateOf(4)) / one);
  }
  figures['processes.1.operationsPerSecond'] = round(median(rates[1] ?? []));
  figures['processes.4.operationsPerSecond'] = round(median(rates[4] ?? []));
  figures['processes.4/1.throughput'] = round(median(ratios));
  goals['processes.lostOrTorn'] = atMost(bad, 0);
};

const worker = new URL('./process-worker.js', import.meta.url);

function work(directory: string, number: number): Promise<WorkerReport> {
  return reportOf<WorkerReport>(worker, [directory, number, OPERATIONS]);
}
