export {
  CLEAN,
  formatCell,
  paperStrategies,
  parseCell,
  parseRatios,
  parseStrategies,
  type Cell,
  type Fold,
} from './cells.js';
export { answersOf, ensembleText, judgedTogether, type EnsembleResult, type MemberAnswers } from './judged-together.js';
export { createDisplay, startStages, type CellProgress, type Display, type OnProgress } from './display.js';
export { evaluateRun, type EvaluatedCell, type Evaluation, type EvaluationOptions } from './evaluate.js';
export {
  GRID_NAMES,
  gridsWith,
  PAPER_METHODS,
  splitVariant,
  VARIANTS,
  SMOKE,
  type GridAxes,
  type GridExperiment,
  type GridName,
} from './grid/plan.js';
export { createGridDisplay, type GridDisplay } from './grid/grid-display.js';
export { lockGrid, runGrid, type GridOptions, type GridOutcome } from './grid/run-grid.js';
export { trainKind } from './grid/train-kind.js';
export { chooseSchedules, readSchedules, schedulesOf, under, type Schedules } from './grid/schedule.js';
export { openingOf, type Opening } from './opening.js';
export { PAPER_RESULTS, type PaperResults } from './paper-results.js';
export {
  ABLATION_SWITCHES,
  paperFigures,
  variantName,
  type AblationSwitch,
  type PaperDrop,
  type PaperFigures,
} from './paper.js';
export type { DatasetOverride, SplitChoice } from './posts.js';
export { type QualityCell } from './quality.js';
export type { Projection } from './report/charts.js';
export { buildReport, tablesText, writeCharts, type Report, type ReportOptions } from './report/report.js';
export { replacePart, resultsPage, type ResultsPage, type ResultsPageOptions } from './report/results-page.js';
export {
  shownPath,
  type CellResult,
  type EvaluationResult,
  type EvaluationSetting,
  type QualityAuroc,
  type RobustnessCurve,
  type RunSummary,
} from './result.js';
export { csvReport, evaluationFolder, htmlReport, textReport, writeEvaluation } from './run-report.js';
export { EvaluatedRuns, groupRuns, summaryCsv, summaryText, type RunMember, type RunsSummary } from './runs.js';
export { compare, studiesOf, type Comparison, type Study, type System } from './statistics/compare.js';
export { resultTables, type ResultTable } from './statistics/tables.js';
export { mergeStores, type MergeOutcome, type RepeatedCell } from './store/merge.js';
export type { CellRecord, StoredCell, StoredPosts, StoredPrediction, TrainingRecord } from './store/records.js';
export { ResultStore, STORE_NAME } from './store/result-store.js';
export { trainingRecord } from './store/training-record.js';
export { runTune, type TunedExperiment, type TuneOptions } from './tune/run-tune.js';
export { assertSpace, defaultSpace, describeDimension, parseSearch, type Dimension } from './tune/space.js';
export { type TunedTrial, type TuneSummary } from './tune/summary.js';
export { tuneText } from './tune/tune-report.js';
export { Workspace, type Services } from './workspace.js';
