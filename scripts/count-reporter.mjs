/** Ends a run with the plain line `N passed, N failed`, which CI reads. */
export default class CountReporter {
  onRunComplete(_contexts, results) {
    const failed = results.numFailedTests + results.numRuntimeErrorTestSuites;
    const skipped = results.numPendingTests ? `, ${results.numPendingTests} skipped` : '';
    process.stderr.write('');
    console.log(`${results.numPassedTests} passed, ${failed} failed${skipped}`);
  }
}
