export { openJudge } from './open-judge.js';
export type { OpenOptions } from './open-options.js';
export { describeExport, readCard } from './export-judge.js';
export { toPostContent } from './content.js';
export type { ImageInput, Judge, JudgeInfo, Judgment, PostContent, PostInput } from './judgment.js';
export {
  assertCalibration,
  CALIBRATION_FORMAT,
  describeCalibration,
  type Calibration,
  type QualityBasis,
  type QualityDistributions,
} from './calibration.js';
