export { train, type ExperimentOptions, type TrainOptions } from './train.js';
export { load, type LoadedModel, type LoadOptions } from './load.js';
export { openRun, type EvaluateOptions, type EvaluationReport, type ExportOptions, type Run } from './run.js';
export type { LenientPredictOptions, Model, PredictOptions } from './judging.js';
export type { Post } from './content.js';
export type { Data, Files, Rows } from './posts.js';
export type { DataEvent, EpochEvent, StageEvent, TrainEvent, WarningEvent, WorkEvent } from './progress.js';
export { InterruptedError, isDrfError } from './errors.js';
export { createDrfProgram, runDrf } from './commands.js';
