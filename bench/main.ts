/** `npm run bench -- NAME [options]`; without a name it says which there are. */
import { benches } from './benches.js';
import { BenchUsageError, readCommandLine } from './command-line.js';
import { linesOf, reportOf } from './report.js';

try {
  const { name, bench, json, options, own } = await readCommandLine(process.argv.slice(2), benches);
  const report = reportOf(
    name,
    await bench.run({ ...options, log: (line) => console.error(line) }, own),
  );
  if (!json) for (const line of linesOf(report)) console.log(line);
  console.log(JSON.stringify(report));
} catch (error) {
  if (!(error instanceof BenchUsageError)) throw error;
  console.error(error.message);
  process.exitCode = 2;
}
