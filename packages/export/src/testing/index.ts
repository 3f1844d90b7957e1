export { makeEmbeddedRun } from './embedded-run.js';
export { execute, findProgram } from './find-program.js';
export { temporaryFolder } from './temporary-folder.js';
export { makeTinyRun } from './tiny-run.js';
