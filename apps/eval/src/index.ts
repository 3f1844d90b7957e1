export { createEvalProgram } from './program.js';
