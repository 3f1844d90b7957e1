export { createPredictProgram } from './program.js';
