export { builtPage } from './built-page.js';
export { createPageProgram } from './program.js';
