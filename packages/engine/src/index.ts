export { createEagerEngine } from './eager/eager-engine.js';
export { createEngine, ENGINE_NAMES, type EngineName } from './create-engine.js';
export { createCompiledEngine } from './compiled/compiled-engine.js';
export { compile, type CompiledFunction } from './compiled/compile.js';
export { CompiledStepProgram } from './compiled/compiled-step-program.js';
export { recompute } from './recompute/recompute.js';
export type { ModelNotes } from './onnx/write.js';
export {
  EXECUTION_PROVIDERS,
  installedProviders,
  type CompileOptions,
  type ExecutionProvider,
} from './session/options.js';
