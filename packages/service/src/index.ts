export { createService, type Service, type ServiceOptions } from './create-service.js';
export { DEFAULT_LIMITS, type ServiceLimits } from './limits.js';
export { JudgeProcess, type JudgeProcessEnd, type JudgeProcessOptions } from './judge-process/judge-process.js';
export { type JudgeModule, type OpenedJudge } from './judge-process/messages.js';
export { isLoopbackAddress, type WebOriginOptions } from './web-origin.js';
export { type JudgeOfPosts, type JudgeProcessState } from './work.js';
export {
  batchAnswerSchema,
  judgmentSchema,
  modelSchema,
  problemSchema,
  type BatchAnswer,
  type ModelAnswer,
  type ModelDescription,
  type Problem,
} from './schemas.js';
