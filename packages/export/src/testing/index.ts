export { makeEmbeddedRun, makeTinyRun } from './tiny-run.js';
export { temporaryFolder } from './tools.js';
export { HUB_TOKEN, startPushHub, type PushHub } from './push-hub.js';
