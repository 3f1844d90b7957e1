export { createDataProgram } from './program.js';
