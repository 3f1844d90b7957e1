import { once } from 'node:events';
import { Worker } from 'node:worker_threads';

/** Asks one time after the other, until it is told to end. Plain JavaScript, so that it needs no loader. */
const SCRIPT = `
  const { get } = require('node:http');
  const { parentPort, workerData } = require('node:worker_threads');
  const times = [];
  let isOver = false;
  parentPort.once('message', () => { isOver = true; });
  const ask = () => {
    if (isOver) return parentPort.postMessage(times);
    const askedAt = performance.now();
    const done = () => { times.push(performance.now() - askedAt); setTimeout(ask, 50); };
    get(workerData + '/healthz', (response) => response.resume().once('end', done)).once('error', done);
  };
  ask();
`;

/**
 * Measures `GET /healthz` in a thread of its own, since this one is busy with its clients.
 * @returns ends it, and gives the milliseconds of each request
 */
export function watchHealth(address: string): () => Promise<Float64Array> {
  const worker = new Worker(SCRIPT, { eval: true, workerData: address, execArgv: [] });
  return async () => {
    const answered = once(worker, 'message');
    worker.postMessage('end');
    const [times] = (await answered) as [number[]];
    await worker.terminate();
    return Float64Array.from(times);
  };
}
