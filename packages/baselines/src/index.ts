export { COMPARED_NEEDS } from './tokens.js';
export { createHsan } from './hsan/hsan.js';
export { createMvan, type MvanConfig } from './mvan/mvan.js';
export { createMgnns, type MgnnsConfig, type MgnnsForm } from './mgnns/mgnns.js';
export { measureGraphs, type GraphSizes, type MeasuredGraphs, type TokenSource } from './mgnns/graphs.js';
export { createClmlf, type ClmlfConfig, type ClmlfForm } from './clmlf/clmlf.js';
export { createLateFusion, createUnimodal } from './unimodal/unimodal.js';
export { createMvcn, type MvcnConfig } from './mvcn/mvcn.js';
