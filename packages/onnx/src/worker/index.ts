export { WorkerClient } from './client.js';
export { assertProvider, sessionOptions } from './options.js';
export type { NamedTensor, StateLeaf, StepPlan, Wire } from './protocol.js';
