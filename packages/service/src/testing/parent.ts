// A process that opens a judge's process, tells its id, and lets it be held.
import { fileURLToPath } from 'node:url';
import { JudgeProcess } from '../judge-process/judge-process.js';

const ending = fileURLToPath(import.meta.url).slice(-3);
const judge = await JudgeProcess.start({
  module: new URL(`./fake-judge${ending}`, import.meta.url).href,
  open: ['work'],
});
const { label } = await judge.judge({ text: 'its process', image: null });
void judge.judge({ text: 'hold the thread', image: null });
setTimeout(() => process.send?.(Number(label)), 500);
