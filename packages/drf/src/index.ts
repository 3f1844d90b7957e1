export { createDrfProgram, runDrf } from './commands.js';
