export { openJudge, type JudgeOfPosts } from './judge-of-posts.js';
export { readCard, type Card, type CardFile } from './exported/card.js';
export { ExportedJudge } from './exported/exported-judge.js';
export { PostJudge, type PostJudgeOptions } from './post-judge.js';
export type { Judgment, PairWeights, PostContent } from './judgment.js';
