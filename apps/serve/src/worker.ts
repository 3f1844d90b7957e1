// The program of one of several processes that serve at the same port: serves what its parent names, and does what it
// says. Signals to the whole group (Ctrl-C) are for the parent alone, from the first moment on; so all that takes time to
// load comes after that. It ends with its parent, as Node's cluster has it.
import type { GroupMember } from '@drf/service';
import type { Served } from './serve.js';
import type { FromWorker, GroupStatus, ToWorker } from './worker-messages.js';

for (const signal of ['SIGINT', 'SIGTERM', 'SIGHUP'] as const) process.on(signal, () => undefined);

const modules = Promise.all([import('@drf/files'), import('@drf/service'), import('./serve.js')]);

/** How often it looks whether it is ready. */
const READY_MILLISECONDS = 250;
const METRICS_MILLISECONDS = 5_000;

let served: Served | undefined;
/** Until it listens, or cannot. */
let starting: Promise<void> = Promise.resolve();
let member: GroupMember | undefined;
let status: GroupStatus = { ready: 0, restarts: 0, primaryResidentBytes: 0 };
let wasReady = false;
const metricsAsked = new Map<number, (text: string) => void>();

process.on('message', (message: ToWorker) => {
  if (message.type === 'serve') starting = start(message);
  else if (message.type === 'reload') void reload();
  else if (message.type === 'close') void close(message.graceMilliseconds);
  else if (message.type === 'status') status = message.status;
  else if (message.type === 'collect') void collect(message.id);
  else if (message.type === 'metrics') metricsAsked.get(message.id)?.(message.text);
});

send({ type: 'loaded' });

function send(message: FromWorker): void {
  if (process.connected) process.send?.(message);
}

async function start({ options, worker, workers }: ToWorker & { readonly type: 'serve' }): Promise<void> {
  const [{ loadDefinition }, { failureOf }, { serve }] = await modules;
  try {
    for (const own of process.argv.slice(2)) await loadDefinition(own);
    const { logLevel } = options;
    served = await serve({
      ...options,
      log: logLevel === undefined ? undefined : { level: logLevel, stream: process.stdout },
      group: {
        worker,
        workers,
        restarts: () => status.restarts,
        primaryResidentBytes: () => status.primaryResidentBytes,
        join: (joined) => (member = joined),
        othersAreReady: () => status.ready - Number(member?.isReady() === true) > 0,
        metrics: metricsOfAll,
      },
    });
    tellReady();
    setInterval(tellReady, READY_MILLISECONDS).unref();
    send({ type: 'listening', address: served.address, model: served.model });
  } catch (error) {
    send({ type: 'refused', failure: failureOf(error) });
    process.disconnect();
    process.exitCode = 1;
  }
}

function tellReady(): void {
  const isReady = member?.isReady() === true;
  if (isReady !== wasReady) send({ type: 'ready', isReady });
  wasReady = isReady;
}

async function reload(): Promise<void> {
  const [, { failureOf }] = await modules;
  try {
    const result = await (served as Served).reload();
    send({ type: 'reloaded', result });
  } catch (error) {
    send({ type: 'reload-refused', failure: failureOf(error) });
  }
}

async function collect(id: number): Promise<void> {
  if (member !== undefined) send({ type: 'collected', id, metrics: await member.metrics() });
}

let nextId = 0;

/** @throws Error when the parent does not answer */
function metricsOfAll(): Promise<string> {
  const id = nextId++;
  return new Promise<string>((resolve, reject) => {
    const timer = setTimeout(() => reject(new Error('the primary process gives no metrics')), METRICS_MILLISECONDS);
    metricsAsked.set(id, (text) => {
      clearTimeout(timer);
      resolve(text);
    });
    send({ type: 'metrics', id });
  }).finally(() => metricsAsked.delete(id));
}

/** A start is waited for: a judge that is ended while it loads says so in words that help nobody. */
async function close(graceMilliseconds: number): Promise<void> {
  await starting;
  const open = served;
  served = undefined;
  if (open === undefined) {
    if (process.connected) process.disconnect();
    return;
  }
  await open.close(graceMilliseconds);
  if (process.connected) process.disconnect();
}
