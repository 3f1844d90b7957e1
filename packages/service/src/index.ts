export { createService, type Service } from './create-service.js';
export { readExamples, type ExamplesAnswer } from './examples.js';
export { DEFAULT_LIMITS, type ServiceLimits } from './limits.js';
export { JudgeProcess, type JudgeProcessEnd } from './judge-process/judge-process.js';
export { isLoopbackAddress } from './access.js';
export { modelSchema } from './schemas.js';
