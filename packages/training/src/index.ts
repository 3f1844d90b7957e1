export { train, type TrainOptions, type TrainResult, type TrainServices } from './train.js';
export { Trainer, type TrainerEvents, type TrainerOptions, type TrainerOutcome } from './trainer.js';
export { createDisplay, type Display, type Job } from './display.js';
export { openOwnData, ownConfig, ownExperiment } from './own-data.js';
export { loadExperiment, readExperiment } from './load-experiment.js';
export { EXPERIMENTS } from './experiments/index.js';
export { writeLedger } from './rejected.js';
