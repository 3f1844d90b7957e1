export { createServeProgram } from './program.js';
