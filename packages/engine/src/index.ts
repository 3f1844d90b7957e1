export { createEagerEngine } from './eager/eager-engine.js';
export { createEngine, whyUnavailable } from './create-engine.js';
export { engineProbe, readEngineProbe } from './engine-probe.js';
export { createCompiledEngine } from './compiled/compiled-engine.js';
export { compile, type CompiledFunction } from './compiled/compile.js';
export type { ModelNotes } from './onnx/write.js';
export type { CompileOptions } from './compiled/options.js';
export {
  assertBuildIntact,
  BUILD_FILE,
  CURRENT_FILE,
  NATIVE_FOLDER_VARIABLE,
  nativeFolder,
  readInstalledBuild,
  type InstalledBuild,
  type NativeBuild,
  type NativeFile,
} from './native/build.js';
export {
  findBindingPackage,
  loadNativeTensorFlow,
  NATIVE_PROBE,
  nativeUsesGpu,
  nativeVersion,
  readNativeProbe,
  type BindingPackage,
  type NativeMeasurement,
  type NativeSources,
} from './native/load.js';
export { productRate } from './product-rate.js';
