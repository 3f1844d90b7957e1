export { createEagerEngine } from './eager/eager-engine.js';
export { createEngine, ENGINE_NAMES, whyUnavailable, type EngineName } from './create-engine.js';
export { createCompiledEngine } from './compiled/compiled-engine.js';
export { compile, type CompiledFunction } from './compiled/compile.js';
export { CompiledStepProgram } from './compiled/compiled-step-program.js';
export type { ModelNotes } from './onnx/write.js';
export {
  disableTelemetry,
  EXECUTION_PROVIDERS,
  installedProviders,
  type CompileOptions,
  type ExecutionProvider,
} from './worker/options.js';
export { openOnnxModel, type NamedHostTensors, type OnnxModel } from './onnx/open.js';
export { findBindingPackage, NATIVE_PACKAGES, type BindingPackage } from './native/binding-package.js';
export { NATIVE_FOLDER_VARIABLE, nativeFolder } from './native/build-folder.js';
export {
  assertBuildIntact,
  BUILD_FILE,
  CURRENT_FILE,
  readInstalledBuild,
  type InstalledBuild,
  type NativeBuild,
  type NativeFile,
} from './native/build-record.js';
export { loadNativeTensorFlow, nativeUsesGpu, nativeVersion, type NativeSources } from './native/load.js';
export { productRate } from './product-rate.js';
