export { makeEmbeddedRun, makeTinyRun } from './tiny-run.js';
export { temporaryFolder } from './tools.js';
