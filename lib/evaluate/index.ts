/** Experiments, measures of fidelity and quality, and honest statistics over them. */

export { answerF1, answerWords, editSimilarity, exactMatch } from './answers.js';
export * from './chunking/index.js';
export { compareRows, type LogitRows, type RowComparison, tokenLosses } from './distributions.js';
export {
  type CellInput,
  defineExperiment,
  type DefinedExperiment,
  type ExperimentDefinition,
  type RunDefinedOptions,
} from './experiment/define-experiment.js';
export type { Grid, GridValue, SettingOf } from './experiment/grid.js';
export type { Measure, Metric, Metrics } from './experiment/metric.js';
export type {
  ExperimentCell,
  ExperimentOutcome,
  FailedExperimentCell,
  SettingComparison,
  SettingSummary,
} from './experiment/outcome.js';
export {
  type BadRow,
  importQuestions,
  type ImportQuestionsOptions,
} from './questions/import-questions.js';
export type { QuestionForm } from './questions/forms.js';
export type { EvaluationQuestion, Gold } from './questions/question.js';
export { experimentPage } from './experiment/page.js';
export { cellsTable, experimentTable } from './experiment/tables.js';
export { viewPage } from './report/html.js';
export { paretoFront } from './report/pareto.js';
export type { PlotAxis } from './report/scale.js';
export {
  type PlotLevel,
  type PlotPoint,
  type PlotSeries,
  svgPlot,
  type SvgPlotOptions,
} from './report/svg-plot.js';
export {
  formatNumber,
  formatTable,
  type TableCell,
  type TableColumn,
  type TableOptions,
} from './report/table.js';
export { memoryLog, type ResultLog } from './result-log.js';
export {
  canonical,
  type Cell,
  type Experiment,
  type ExperimentProgress,
  type ExperimentResults,
  type FailedCell,
  type Json,
  runExperiment,
  type RunExperimentOptions,
} from './run-experiment.js';
export { fittingHits } from './retrieval/fitting-hits.js';
export { type Gains, normalisedGain, recallAt, reciprocalRank } from './retrieval/gains.js';
export { coveredLength, sharedLength } from './retrieval/spans.js';
export { halfOf } from './split.js';
export {
  bootstrap,
  bootstrapMean,
  type BootstrapOptions,
  bootstrapShareClosed,
  type Interval,
} from './statistics/bootstrap.js';
export { binomialTest } from './statistics/binomial-test.js';
export { meanHeight, type Point } from './statistics/curve.js';
export {
  holm,
  isEquivalent,
  type PairedTest,
  pairedTest,
  type PairedTestOptions,
} from './statistics/paired-test.js';
export { rankCorrelation, ranks } from './statistics/rank-correlation.js';
export { mean, median, quantile } from './statistics/summary.js';
