export { WorkerClient } from './client.js';
export { assertProvider } from '../providers/providers.js';
export { sessionOptions } from './options.js';
export type { NamedTensor, StateLeaf, StepPlan, Wire } from './protocol.js';
