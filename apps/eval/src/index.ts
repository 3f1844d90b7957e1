export { cellOf, CLEAN, paperCells, parseCells, parseRatios, type Cell } from './cells.js';
export { evaluateRun, type Evaluation, type EvaluationOptions } from './evaluate-run.js';
export { evaluateRuns, type CommandOptions, type CommandOutcome } from './evaluate-command.js';
export type { EvaluatedCell } from './evaluate-cells.js';
export { evaluationFolder, writeEvaluation } from './write-evaluation.js';
export { Workbench, type Services } from './workbench.js';
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
