export { createService, type ServiceOptions } from './create-service.js';
export { DEFAULT_LIMITS, type ServiceLimits } from './limits.js';
export { type JudgeOfPosts } from './work.js';
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
