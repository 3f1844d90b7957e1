export { openOnnxModel, type NamedHostTensors, type OnnxModel } from './open.js';
export { ModelProto } from './schema.js';
export { disableTelemetry, installedProviders } from './runtime.js';
export { assertProviderWorks, chooseProvider, type PassedOver } from './providers/providers.js';
export type { ProviderMachine } from './providers/machine.js';
export type { RuntimeOptions } from './worker/options.js';
