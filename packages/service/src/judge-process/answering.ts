// Opens the judge that the parent process names, and answers what it asks.
import { Worker } from 'node:worker_threads';
import { decodeImage } from '@drf/datasets';
import { failureOf, type FromChild, type JudgeModule, type OpenedJudge, type Question, type ToChild } from './messages.js'; // prettier-ignore

const ALIVE_MILLISECONDS = 2_000;

/** In a thread of its own, since one that is stuck does not see that its parent has gone. */
const WATCH_PARENT = `
  const { workerData } = require('node:worker_threads');
  setInterval(() => { if (process.ppid !== workerData) process.kill(process.pid, 'SIGKILL'); }, 1000);
`;

let opened: OpenedJudge | undefined;

process.on('message', (message: ToChild) => {
  if (message.type === 'open') void open(message.module, message.argument, message.parent);
  else if (message.type === 'ask') void answer(message.id, message.question);
  else void close();
});

function send(message: FromChild): void {
  if (process.connected) process.send?.(message);
}

async function open(module: string, argument: unknown, parent: number): Promise<void> {
  try {
    new Worker(WATCH_PARENT, { eval: true, workerData: parent, execArgv: [] }).unref();
    const { openJudge } = (await import(module)) as JudgeModule;
    opened = await openJudge(argument);
    const alive = (): void => send({ type: 'alive', residentBytes: process.memoryUsage.rss() });
    alive();
    setInterval(alive, ALIVE_MILLISECONDS).unref();
    send({ type: 'ready', imageSize: opened.judge.imageSize, description: opened.description });
  } catch (error) {
    send({ type: 'refused', failure: failureOf(error) });
  }
}

async function answer(id: number, question: Question): Promise<void> {
  try {
    send({ type: 'answer', id, value: await valueOf(question, opened as OpenedJudge) });
  } catch (error) {
    send({ type: 'failure', id, failure: failureOf(error) });
  }
}

function valueOf(question: Question, { judge }: OpenedJudge): Promise<unknown> {
  if (question.kind === 'judge') return judge.judge(question.post);
  const { subject, bytes, maximumPixels } = question;
  if (judge.decode !== undefined) return judge.decode(subject, bytes, maximumPixels);
  return decodeImage(subject, bytes, {
    width: judge.imageSize,
    height: judge.imageSize,
    fit: 'stretch',
    maximumPixels,
  });
}

async function close(): Promise<void> {
  await opened?.dispose();
  process.disconnect(); // and so it ends
}
