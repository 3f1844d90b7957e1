export { openOnnxModel, type NamedHostTensors, type RunnableModel } from './open.js';
export {
  decodeModel,
  ELEMENT_TYPES,
  encodeModel,
  FLOAT16,
  FLOAT32,
  INT8,
  int64Tensor,
  type OnnxAttribute,
  type OnnxModel,
  type OnnxNode,
  type OnnxTensor,
  type OnnxValueInfo,
  shapeOf,
} from './model.js';
export { BATCH_AXIS, type DynamicAxis, LENGTH_AXIS, withDynamicAxes } from './dynamic-axes.js';
export { ModelProto } from './schema.js';
export { disableTelemetry, installedProviders } from './runtime.js';
export { assertProviderWorks, chooseProvider, type PassedOver } from './providers/providers.js';
export type { ProviderMachine } from './providers/machine.js';
export type { RuntimeOptions } from './worker/options.js';
