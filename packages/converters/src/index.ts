export { applyConverter, initializeConverter, type ConverterParameters } from './converter.js';
export { distributionRecoveryLoss, sampleRecoveryLoss } from './recovery-losses.js';
