export { pageFolder } from './build/build-page.js';
export { createPageProgram } from './program.js';
