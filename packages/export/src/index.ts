export { exportRun, type BatchSize, type ExportResult } from './export-run.js';
export { encoderOfRun, exportEncoder, isRun } from './encoder/export-encoder.js';
export { pushModel, type PushOptions, type PushProgress, type PushResult } from './push/push-model.js';
