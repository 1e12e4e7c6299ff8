import { writeFileSync } from 'node:fs';

/**
 * Ends a run with the plain line `N passed, N failed`, which CI reads. Of a run in parts, scripts/test.mjs prints it: the
 * counts go into the file that it names.
 */
export default class CountReporter {
  onRunComplete(_contexts, results) {
    const counts = {
      passed: results.numPassedTests,
      failed: results.numFailedTests + results.numRuntimeErrorTestSuites,
      skipped: results.numPendingTests,
    };
    const file = process.env.CHUNKWEAVE_TEST_COUNTS;
    if (file) {
      writeFileSync(file, JSON.stringify(counts));
      return;
    }
    const skipped = counts.skipped ? `, ${counts.skipped} skipped` : '';
    process.stderr.write('');
    console.log(`${counts.passed} passed, ${counts.failed} failed${skipped}`);
  }
}
