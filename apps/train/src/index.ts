export { createTrainProgram } from './program.js';
