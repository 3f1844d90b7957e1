export { describeJudge, describeExport } from './describe-model.js';
export { serve, type ServeOptions, type Served } from './serve.js';
export { readToken } from './token.js';
