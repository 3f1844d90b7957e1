export { createServeProgram } from './program.js';
export { serve, type Served, type ServeOptions } from './serve.js';
