export { createExportProgram } from './program.js';
export { createPushProgram } from './push-program.js';
