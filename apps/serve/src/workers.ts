import cluster, { type Worker } from 'node:cluster';
import { once } from 'node:events';
import { createServer, type AddressInfo } from 'node:net';
import { setTimeout as wait } from 'node:timers/promises';
import { fileURLToPath } from 'node:url';
import {
  DEFAULT_LIMITS,
  errorOf,
  GroupMetrics,
  RestartDelay,
  type ReloadResult,
  type ServiceLimits,
} from '@drf/service';
import { ownModules, refuser, UnavailableError } from '@drf/tensor';
import { logWriter, loggedError, type WriteLog } from './log.js';
import { cannotListen, type Served, type ServeOptions } from './serve.js';
import type { FromWorker, ToWorker, WorkerOptions } from './worker-messages.js';

/** Source runs from source, the built program from what was built. */
const SCRIPT = fileURLToPath(new URL(`./worker${import.meta.url.endsWith('.ts') ? '.ts' : '.js'}`, import.meta.url));

/** A worker that does not answer by then is left out of the metrics, by what it last said. */
const COLLECT_MILLISECONDS = 2_000;
const STATUS_MILLISECONDS = 2_000;
/** Beyond the grace; then a worker is killed. */
const CLOSE_MILLISECONDS = 10_000;

/** What all of them together may take on, in equal parts; at least what one request needs. */
export function limitsOfOne(limits: Partial<ServiceLimits> | undefined, workers: number): ServiceLimits {
  const whole = { ...DEFAULT_LIMITS, ...limits };
  const part = (all: number, least: number): number => Math.max(least, Math.ceil(all / workers));
  return {
    ...whole,
    totalBodyBytes: part(whole.totalBodyBytes, whole.bodyBytes),
    waitingPosts: part(whole.waitingPosts, Math.min(whole.waitingPosts, whole.batchPosts)),
    explanations: part(whole.explanations, 0),
    connections: part(whole.connections, 1),
  };
}

/**
 * {@link serve} in several processes at one port, each with a judge in a process of its own. This one listens, deals the
 * connections out in turns, and starts anew whoever ends.
 * @throws as `serve`, of the first of them
 */
export async function serveByWorkers(options: ServeOptions, workers: number): Promise<Served> {
  const { log, group, execArgv = process.execArgv, ...rest } = options;
  void group;
  cluster.setupPrimary({ exec: SCRIPT, args: ownModules(), execArgv: [...execArgv], serialization: 'advanced' });
  cluster.schedulingPolicy = cluster.SCHED_RR;
  const limits = limitsOfOne(options.limits, workers);
  const port = options.port === 0 ? await freePort(options.host) : options.port;
  const all = new Workers({ ...rest, port, execArgv, limits, logLevel: log?.level }, workers, logWriter(log));
  return all.start();
}

/** One that is free: each worker must be told the same. */
async function freePort(host: string): Promise<number> {
  const server = createServer().listen(0, host);
  await once(server, 'listening').catch((error: unknown) => {
    throw cannotListen({ host, port: 0 }, error as NodeJS.ErrnoException);
  });
  const { port } = server.address() as AddressInfo;
  server.close();
  await once(server, 'close');
  return port;
}

/** One of them, whichever process it is in at the moment. */
interface Slot {
  readonly number: number;
  readonly delay: RestartDelay;
  process: Worker;
  startedAt: number;
  isReady: boolean;
  isListening: boolean;
  timer?: NodeJS.Timeout;
}

class Workers {
  private slots: Slot[] = [];
  private closing = false;
  private restarts = 0;
  private readonly metrics = new GroupMetrics();
  private readonly collected = new Map<number, (worker: number) => void>();
  private nextId = 0;
  private reloading: Promise<ReloadResult> | undefined;
  private statusTimer: NodeJS.Timeout | undefined;

  constructor(
    private readonly options: WorkerOptions,
    private readonly count: number,
    private readonly write: WriteLog,
  ) {}

  /** The first alone, so that what is wrong is said once; the others when it listens. */
  async start(): Promise<Served> {
    const first = this.fork(1);
    const { address, model } = await this.listening(first).catch(async (error: unknown) => {
      await this.close(0);
      throw error;
    });
    for (let number = 2; number <= this.count; number++) this.fork(number);
    this.statusTimer = setInterval(() => this.tellStatus(), STATUS_MILLISECONDS);
    return {
      address,
      model,
      reload: () => this.reload(),
      close: async (grace) => {
        await this.close(grace);
        this.write('info', 'ended');
      },
    };
  }

  private fork(number: number, delay = new RestartDelay()): Slot {
    const worker = cluster.fork();
    const slot: Slot = { number, delay, process: worker, startedAt: performance.now(), isReady: false, isListening: false };
    this.slots = [...this.slots.filter((other) => other.number !== number), slot];
    worker.on('message', (message: FromWorker) => void this.hear(slot, message));
    worker.on('error', () => undefined); // of a process that has gone: its exit says so
    worker.on('exit', (code, signal) => this.ended(slot, signal ?? `exit code ${code}`));
    return slot;
  } // prettier-ignore

  private send(slot: Slot, message: ToWorker): void {
    if (slot.process.isConnected()) slot.process.send(message, () => undefined);
  }

  /** @throws what it says, or UnavailableError when it ends before it listens */
  private listening(slot: Slot): Promise<FromWorker & { readonly type: 'listening' }> {
    return new Promise((resolve, reject) => {
      slot.process.on('message', (message: FromWorker) => {
        if (message.type === 'listening') resolve(message);
        if (message.type === 'refused') reject(errorOf(message.failure));
      });
      slot.process.on('exit', (code, signal) => {
        const received = signal === null ? `exit code ${code}` : `signal ${signal}`;
        reject(refuser(UnavailableError, `Worker ${slot.number}`)('to serve', received, 'see what it said above'));
      });
    });
  }

  private async hear(slot: Slot, message: FromWorker): Promise<void> {
    const { options, count } = this;
    if (message.type === 'loaded') this.send(slot, { type: 'serve', options, worker: slot.number, workers: count });
    else if (message.type === 'listening') slot.isListening = true;
    else if (message.type === 'ready') {
      slot.isReady = message.isReady;
      this.tellStatus();
    } else if (message.type === 'refused' && this.statusTimer !== undefined) {
      this.write('error', 'a worker cannot serve', { worker: slot.number, ...loggedError(errorOf(message.failure)) });
    } else if (message.type === 'collected' && slot.isListening) {
      this.metrics.update(slot.process.id, message.metrics);
      this.collected.get(message.id)?.(slot.process.id);
    } else if (message.type === 'metrics') {
      this.send(slot, { type: 'metrics', id: message.id, text: await this.collect() });
    }
  }

  private tellStatus(): void {
    const ready = this.slots.filter(({ isReady }) => isReady).length;
    const status = { ready, restarts: this.restarts, primaryResidentBytes: process.memoryUsage.rss() };
    for (const slot of this.slots) this.send(slot, { type: 'status', status });
  }

  private async collect(): Promise<string> {
    const id = this.nextId++;
    const asked = new Set(this.slots.filter(({ isListening }) => isListening).map((slot) => slot.process.id));
    const timeout = new AbortController();
    await Promise.race([
      new Promise<void>((resolve) => {
        this.collected.set(id, (worker) => {
          asked.delete(worker);
          if (asked.size === 0) resolve();
        });
        for (const slot of this.slots) if (slot.isListening) this.send(slot, { type: 'collect', id });
      }),
      wait(COLLECT_MILLISECONDS, undefined, { signal: timeout.signal }).catch(() => undefined),
    ]);
    timeout.abort();
    this.collected.delete(id);
    return this.metrics.text();
  }

  private ended(slot: Slot, how: string): void {
    slot.isReady = false;
    slot.isListening = false;
    this.metrics.end(slot.process.id);
    if (this.closing || this.statusTimer === undefined) return; // the first one's end ends all
    const delay = slot.delay.next(performance.now() - slot.startedAt);
    this.write('error', 'a worker ended', { worker: slot.number, how, restartInMilliseconds: delay });
    this.tellStatus();
    slot.timer = setTimeout(() => {
      this.restarts += 1;
      this.fork(slot.number, slot.delay);
    }, delay);
  }

  /** One after the other, so that all but one judge as ever; the first that refuses spares the others. */
  private reload(): Promise<ReloadResult> {
    const before = this.reloading?.catch(() => undefined) ?? Promise.resolve();
    const next = before.then(async () => {
      let result: ReloadResult | undefined;
      for (const { number } of [...this.slots].sort((a, b) => a.number - b.number)) {
        const slot = this.slots.find((other) => other.number === number);
        if (slot?.isListening === true) result = await this.reloadOne(slot);
      }
      if (result === undefined) throw refuser(UnavailableError, 'serve')('a worker that serves', 'none', 'try again');
      return result;
    });
    this.reloading = next;
    return next;
  }

  private reloadOne(slot: Slot): Promise<ReloadResult> {
    return new Promise((resolve, reject) => {
      const over = (act: () => void): void => {
        slot.process.off('message', hear).off('exit', ended);
        act();
      };
      const hear = (message: FromWorker): void => {
        if (message.type === 'reloaded') over(() => resolve(message.result));
        if (message.type === 'reload-refused') over(() => reject(errorOf(message.failure)));
      };
      const ended = (): void => over(() => reject(refuser(UnavailableError, `Worker ${slot.number}`)('to open the model anew', 'its end', 'it is started with what is there now'))); // prettier-ignore
      slot.process.on('message', hear).on('exit', ended);
      this.send(slot, { type: 'reload' });
    });
  }

  private async close(graceMilliseconds: number): Promise<void> {
    this.closing = true;
    clearInterval(this.statusTimer);
    await Promise.all(
      this.slots.map(async (slot) => {
        clearTimeout(slot.timer);
        if (slot.process.isDead()) return;
        const exit = new Promise<void>((resolve) => slot.process.once('exit', () => resolve()));
        this.send(slot, { type: 'close', graceMilliseconds });
        const timer = setTimeout(() => slot.process.process.kill('SIGKILL'), graceMilliseconds + CLOSE_MILLISECONDS);
        await exit;
        clearTimeout(timer);
      }),
    );
  }
}
