export { openOnnxModel, type NamedHostTensors, type OnnxModel } from './open.js';
export { ModelProto } from './schema.js';
export { disableTelemetry, installedProviders, type ExecutionProvider, type RuntimeOptions } from './worker/options.js';
