export { openJudge } from './open-judge.js';
export { describeExport, readCard } from './export-judge.js';
export type { Judge, JudgeInfo, Judgment, PostContent } from './judgment.js';
export {
  explain,
  largestChange,
  MOST_CELLS,
  MOST_WORDS,
  placeOf,
  type Change,
  type ExplainedRegion,
  type ExplainedWord,
  type ExplainOptions,
  type Explanation,
} from './explain.js';
