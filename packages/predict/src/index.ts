export { RunJudge } from './run-judge.js';
