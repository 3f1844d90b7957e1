// @ts-check
// Runs ONNX Runtime sessions in a worker thread, so that the caller's event loop stays free while they compute.
// Plain JavaScript on purpose: Node starts it the same way from the built package, from TypeScript source and in tests.
import { parentPort } from 'node:worker_threads';
import { Sessions } from './sessions.js';

const port = /** @type {import('node:worker_threads').MessagePort} */ (parentPort);
const sessions = new Sessions();

/** @param {unknown} error */
function describe(error) {
  if (!(error instanceof Error)) return { name: 'Error', message: String(error), stack: '' };
  return { name: error.name, message: error.message, stack: error.stack ?? '' };
}

/** One request after the other: sessions share the thread and the state. */
let last = Promise.resolve();
port.on('message', (request) => {
  last = last.then(async () => {
    try {
      const { value, transfer } = await sessions.handle(request);
      port.postMessage({ id: request.id, value }, transfer);
    } catch (error) {
      port.postMessage({ id: request.id, error: describe(error) });
    }
    if (request.kind === 'close') port.close();
  });
});
