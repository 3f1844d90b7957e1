export { PostJudge, type PostJudgeOptions } from './post-judge.js';
export type { Judgment, PairWeights, PostContent } from './judgment.js';
