export { createEmbedProgram } from './program.js';
