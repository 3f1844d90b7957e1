export { train, type TrainOptions, type TrainResult, type TrainServices } from './train.js';
export { Trainer, type TrainerEvents, type TrainerOptions, type TrainerOutcome } from './trainer.js';
export { createDisplay, type Display } from './display.js';
export { openOwnData, ownConfig, ownExperiment, runName } from './own-data.js';
export { EXPERIMENTS, loadExperiment, readExperiment } from './experiments.js';
export { dataWarnings, writeLedger } from './data-summary.js';
