export { openJudge } from './open-judge.js';
export type { OpenOptions } from './open-options.js';
export { describeExport, readCard } from './export-judge.js';
export { toPostContent } from './content.js';
export { describeState, looksCorrupted } from './judgment.js';
export type { ImageInput, Judge, JudgeInfo, Judgment, PostContent, PostInput } from './judgment.js';
export {
  assertCalibration,
  CALIBRATION_FORMAT,
  describeCalibration,
  type Calibration,
  type QualityBasis,
  type QualityDistributions,
} from './calibration.js';
export { explain } from './explain.js';
export {
  explainContent,
  largestChange,
  MOST_CELLS,
  MOST_WORDS,
  placeOf,
  pointsOf,
  strengthOf,
  strongestFirst,
  strongestPlaces,
  textParts,
  type Change,
  type ExplainedRegion,
  type ExplainedWord,
  type ExplainingJudge,
  type ExplainOptions,
  type Explanation,
} from './explain-content.js';
export { EXPLANATION_LEGEND, EXPLANATION_STYLE, explanationMap, markedText, type Picture } from './explanation-html.js';
