export { exportRun, type ExportOptions, type ExportResult } from './export-run.js';
export { CARD_FORMAT, type Card } from './card.js';
export type { BatchSize } from './build-model.js';
export { encoderOfRun } from './encoder/encoder-of-run.js';
export { exportEncoder } from './encoder/export-encoder.js';
export { isRun } from './encoder/encoder-of-run.js';
