// The program of a judge's process: loads the modules of the user's own that its arguments name, opens the judge that its
// parent names, and answers what it is asked. The parent says when it is to end: signals to the whole group (Ctrl-C) are for the parent alone, from the first moment on. So all that
// takes time to load comes after that.
import { Worker } from 'node:worker_threads';
import type { FromChild, JudgeModule, Question, ToChild } from './messages.js';
import type { ServedJudge } from '../work.js';

for (const signal of ['SIGINT', 'SIGTERM', 'SIGHUP'] as const) process.on(signal, () => undefined);
process.on('disconnect', () => process.exit(0));

const ALIVE_MILLISECONDS = 2_000;

/** In a thread of its own, since one that is stuck does not see that its parent has gone. */
const WATCH_PARENT = `
  const { workerData } = require('node:worker_threads');
  setInterval(() => { if (process.ppid !== workerData) process.kill(process.pid, 'SIGKILL'); }, 1000);
`;

const { decodeImage } = await import('@drf/preprocessing');
const { loadDefinition } = await import('@drf/files');
const { failureOf } = await import('./messages.js');

let judge: ServedJudge | undefined;
/** Questions that are not answered yet. */
const asked = new Set<Promise<void>>();

process.on('message', (message: ToChild) => {
  if (message.type === 'open') void open(message);
  else if (message.type === 'close') void close();
  else {
    const answering = answer(message.id, message.question).finally(() => asked.delete(answering));
    asked.add(answering);
  }
});

function send(message: FromChild): void {
  if (process.connected) process.send?.(message);
}

async function open({ module, open: given, parent }: ToChild & { readonly type: 'open' }): Promise<void> {
  try {
    new Worker(WATCH_PARENT, { eval: true, workerData: parent, execArgv: [] }).unref();
    for (const own of process.argv.slice(2)) await loadDefinition(own);
    const { openJudge } = (await import(module)) as JudgeModule;
    judge = await openJudge(...given);
    const alive = (): void => send({ type: 'alive', residentBytes: process.memoryUsage.rss() });
    alive();
    setInterval(alive, ALIVE_MILLISECONDS).unref();
    send({ type: 'ready', info: judge.info });
  } catch (error) {
    send({ type: 'refused', failure: failureOf(error) });
  }
}

async function answer(id: number, question: Question): Promise<void> {
  try {
    send({ type: 'answer', id, value: await valueOf(question, judge as ServedJudge) });
  } catch (error) {
    send({ type: 'failure', id, failure: failureOf(error) });
  }
}

function valueOf(question: Question, opened: ServedJudge): Promise<unknown> {
  if (question.kind === 'judge') return opened.judge(question.post);
  const { subject, bytes, maximumPixels } = question;
  const { imageSize: side } = opened.info;
  return decodeImage(subject, bytes, { width: side, height: side, fit: 'stretch', maximumPixels });
}

async function close(): Promise<void> {
  await Promise.all(asked);
  await judge?.close();
  process.disconnect(); // and so it ends
}
