export { exportEnsemble, type EnsembleExportResult } from './export-ensemble.js';
export { exportRun, type BatchSize, type ExportResult } from './export-run.js';
export { encoderOfRun, exportEncoder, isRun } from './encoder/export-encoder.js';
export { PRECISIONS, type Precision } from './names.js';
export { pushModel, type PushOptions, type PushProgress, type PushResult } from './push/push-model.js';
