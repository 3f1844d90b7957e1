export { createEagerEngine } from './eager/eager-engine.js';
export { createEngine, ENGINE_NAMES, type EngineName } from './create-engine.js';
