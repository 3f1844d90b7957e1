export {
  CLEAN,
  formatCell,
  isSameStrategy,
  paperStrategies,
  parseCell,
  parseRatios,
  parseStrategies,
  type Cell,
  type Fold,
} from './cells.js';
export { evaluateRun, type Evaluation, type EvaluationOptions } from './evaluate-run.js';
export type { EvaluatedCell } from './evaluate-cells.js';
export { evaluationFolder, writeEvaluation } from './write-evaluation.js';
export { Workspace, type Services } from './workspace.js';
export { createDisplay, SILENT, type CellProgress, type Display, type Job } from './display.js';
export { paperDrop, paperFigures, type PaperDrop, type PaperFigures } from './paper.js';
export { PAPER_RESULTS, type PaperResults } from './paper-results.js';
export { robustnessCurves } from './curves.js';
export { corruptionAuroc, type QualityCell } from './quality.js';
export { groupRuns, type Group, type GroupMember } from './groups.js';
export { summarizeGroups, type CellSummary, type EvaluationSummary, type GroupSummary } from './summary.js';
export type { CellComparison, Comparison, RunResult, Verdict } from './comparison.js';
export type { DatasetOverride } from './evaluated-dataset.js';
export type { SplitChoice } from './posts.js';
export { matchedCurves, type MatchedCurve } from './matched-curve.js';
export { summaryText, type FullSummary } from './summary-report.js';
export { textReport } from './text-report.js';
export { htmlReport } from './html-report.js';
export { csvReport } from './csv-report.js';
export type {
  CellResult,
  EvaluationResult,
  EvaluationSetting,
  QualityAuroc,
  RobustnessCurve,
  RunSummary,
} from './result.js';
export { ABLATION_SWITCHES } from './paper.js';
export { type AblationSwitch } from './paper.js';
export { type Chart } from './report/chart.js';
export { GRID_NAMES } from './grid/plan.js';
export { type GridAxes } from './grid/plan.js';
export { type GridExperiment } from './grid/plan.js';
export { type GridName } from './grid/plan.js';
export { type GridOutcome } from './grid/run-grid.js';
export { type MergeOutcome } from './store/merge.js';
export { PROJECTIONS } from './report/plane.js';
export { type Projection } from './report/plane.js';
export { type RepeatedCell } from './store/merge.js';
export { type Report } from './report/report.js';
export { ResultStore } from './store/result-store.js';
export type { CellRecord, StoredCell, StoredPosts, StoredPrediction, TrainingRecord } from './store/records.js';
export { SIMULATED } from './grid/plan.js';
export { SMOKE } from './grid/plan.js';
export { STORE_NAME } from './store/result-store.js';
export { type Schedules } from './grid/schedule.js';
export { type SystemComparison } from './statistics/compare-systems.js';
export { buildReport } from './report/report.js';
export { chartFile } from './report/report.js';
export { chooseSchedules } from './grid/schedule.js';
export { lockGrid } from './grid/run-grid.js';
export { mergeStores } from './store/merge.js';
export { readSchedules } from './grid/schedule.js';
export { replacePart } from './results/markdown.js';
export { resultsMarkdown } from './results/markdown.js';
export { runGrid } from './grid/run-grid.js';
export { schedulesOf } from './grid/schedule.js';
export { shownPath } from './run-identity.js';
export { startStages } from './statistics/stages.js';
export { summaryCsv } from './summary-report.js';
export { summaryHtml } from './summary-report.js';
export { under } from './grid/schedule.js';
export { variantName } from './paper.js';
export { verdictLine } from './report/report.js';
export { writeCharts } from './report/report.js';
export { createGridDisplay } from './grid/run-grid.js';
export { SPLIT_CHOICES } from './posts.js';
export { comparisonRows } from './statistics/comparison-tables.js';
