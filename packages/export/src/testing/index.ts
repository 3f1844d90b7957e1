export { makeEmbeddedRun, makeTinyRun } from './tiny-run.js';
export { findProgram, temporaryFolder } from './tools.js';
