export { makeEmbeddedRun, makeTinyRun } from './tiny-run.js';
export { execute, findProgram, temporaryFolder } from './tools.js';
