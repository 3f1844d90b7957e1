export { openJudge } from './open-judge.js';
export { describeExport, readCard } from './export-judge.js';
export type { Judge, JudgeInfo, Judgment, PostContent } from './judgment.js';
