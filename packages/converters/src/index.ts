export { applyConverter, initializeConverter, type ConverterParameters } from './converter.js';
export { applyLinear, initializeLinear, type LinearParameters } from './linear.js';
export { distributionRecoveryLoss, sampleRecoveryLoss } from './recovery-losses.js';
