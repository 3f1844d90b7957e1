export { createExportProgram } from './program.js';
