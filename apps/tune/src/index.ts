export { createTuneProgram } from './program.js';
