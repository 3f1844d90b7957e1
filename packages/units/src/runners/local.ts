import { spawn, type ChildProcessByStdio } from 'node:child_process';
import { createInterface } from 'node:readline';
import type { Readable, Writable } from 'node:stream';
import { setTimeout as wait } from 'node:timers/promises';
import { fileURLToPath } from 'node:url';
import { ownModules, refuser, UnavailableError } from '@drf/tensor';
import { lastLines } from '@drf/terminal';
import {
  UNIT_EXIT,
  type Runner,
  type RunnerJob,
  type UnitEvent,
  type UnitFailure,
  type UnitResources,
} from '../contract.js';
import { byStage } from '../plan.js';
import { availableResources, threadVariables, WORKER_OPTIONS, workersThatFit } from '../resources.js';
import type { UnitLine } from '../unit-program.js';

/** Tries of a unit whose process ends, or that asks for another try. */
const MOST_TRIES = 3;
/** Before the second try of a unit; twice as long before the third. */
const DELAY_MS = 1000;
/** Somewhat longer than a unit's process itself takes to end after a signal. */
const PATIENCE_MS = 12_000;
const LAST_WORDS = 4000;

/** How a unit's try ended. */
type Outcome =
  | { readonly kind: 'done' }
  | { readonly kind: 'failed' | 'again'; readonly reason: string }
  | { readonly kind: 'not-begun'; readonly reason: string; readonly never: boolean };

export interface LocalRunnerOptions {
  /** Options of Node before the program; default: those of this process. */
  readonly execArgv?: readonly string[];
}

/**
 * Does units in processes of this machine that go on from unit to unit. A process that ends fails only the unit it was at,
 * which is tried in a new one, three times in all.
 */
export function localRunner({ execArgv = process.execArgv }: LocalRunnerOptions = {}): Runner {
  return {
    name: 'local',
    run: async (job) => {
      const lanes = await lanesOf(job, execArgv);
      const failures: UnitFailure[] = [];
      const stopAll = (): void => lanes.forEach((lane) => void lane.stop());
      job.signal?.addEventListener('abort', stopAll);
      try {
        for (const stage of byStage(job.plan, job.due)) {
          const queue = [...stage];
          const works = lanes.map((lane) => workOff(lane, queue, job, failures));
          await Promise.all(works).catch(async (error: unknown) => {
            queue.length = 0;
            stopAll();
            await Promise.allSettled(works);
            throw error;
          });
          if (job.signal?.aborted === true) break;
        }
      } finally {
        job.signal?.removeEventListener('abort', stopAll);
        await Promise.all(lanes.map((lane) => lane.stop()));
      }
      return failures;
    },
  };
}

async function lanesOf({ plan, due, lanes, program }: RunnerJob, execArgv: readonly string[]): Promise<Lane[]> {
  const { cores, memoryBytes } = plan.resources;
  const devices = visibleDevices(plan.resources);
  const fitting = workersThatFit(await availableResources(), { cores: Math.max(1, cores), memoryBytes });
  const count = Math.min(lanes ?? Math.min(fitting, devices.length), due.length);
  const args = [...execArgv, ...WORKER_OPTIONS, fileURLToPath(program), plan.location, '--lines'];
  for (const module of ownModules()) args.push('--own', module);
  const threads = Math.max(1, Math.floor(cores));
  return Array.from({ length: count }, (_, place) => {
    const device = devices[place % devices.length];
    const visible = device === undefined ? {} : { CUDA_VISIBLE_DEVICES: device };
    const env = { ...process.env, ...threadVariables(threads), ...visible };
    return new Lane(() => new UnitProcess(args, env));
  });
}

/**
 * Which GPUs each of the units at a time sees, by their places; undefined where there is nothing to say of that.
 * @param visible `CUDA_VISIBLE_DEVICES`
 */
export function visibleDevices(
  { gpus }: UnitResources,
  visible = process.env['CUDA_VISIBLE_DEVICES'] ?? '',
): { readonly length: number; readonly [place: number]: string | undefined } {
  if (gpus === 0) return { length: Infinity };
  const all = visible.split(',').filter((device) => device !== '');
  if (all.length === 0) return { length: Math.max(1, Math.floor(1 / gpus)) };
  return Array.from({ length: Math.max(1, Math.floor(all.length / gpus)) }, (_, place) => {
    const first = Math.floor(place * gpus);
    return all.slice(first, first + Math.ceil(gpus)).join(',');
  });
}

/** Takes units off a queue until it is empty, or the signal aborts. */
async function workOff(lane: Lane, queue: number[], job: RunnerJob, failures: UnitFailure[]): Promise<void> {
  const isOver = (): boolean => job.signal?.aborted === true;
  for (let index = queue.shift(); index !== undefined && !isOver(); index = queue.shift()) {
    for (let tries = 1; ; tries++) {
      const outcome = await lane.perform(index, job.onEvent);
      if (isOver()) return;
      if (outcome.kind === 'done') {
        job.onEvent({ kind: 'done', index });
        break;
      }
      const { reason } = outcome;
      const isLast = tries === MOST_TRIES;
      if (outcome.kind === 'not-begun' && (isLast || outcome.never)) {
        const refuse = refuser(UnavailableError, `Program of units ${fileURLToPath(job.program)}`);
        throw refuse('to begin', reason, 'see what it says; units that are done stay done');
      }
      if (outcome.kind === 'failed' || isLast) {
        failures.push({ index, reason: isLast ? `${reason} (the last of ${tries} tries)` : reason });
        job.onEvent({ kind: 'failed', index, reason });
        break;
      }
      job.onEvent({ kind: 'again', index, reason });
      await lane.stop(); // the next try is a new process's
      await wait(DELAY_MS * 2 ** (tries - 1), undefined, { signal: job.signal }).catch(() => undefined);
      if (isOver()) return;
    }
  }
}

/** A place for one process at a time. */
class Lane {
  private process: UnitProcess | undefined;

  constructor(private readonly start: () => UnitProcess) {}

  perform(index: number, onEvent: (event: UnitEvent) => void): Promise<Outcome> {
    if (this.process?.isAlive !== true) this.process = this.start();
    return this.process.perform(index, onEvent);
  }

  async stop(): Promise<void> {
    await this.process?.stop();
  }
}

/** A unit's program in its long-lived form. */
class UnitProcess {
  private readonly child: ChildProcessByStdio<Writable, Readable, Readable>;
  private readonly closed: Promise<void>;
  private isReady = false;
  private ended: { readonly how: string; readonly code: number | null } | undefined;
  private lastWords = '';
  private current: { readonly index: number; readonly onEvent: (event: UnitEvent) => void } | undefined;
  private settle: ((outcome: Outcome) => void) | undefined;

  constructor(args: readonly string[], env: NodeJS.ProcessEnv) {
    this.child = spawn(process.execPath, args, { env, stdio: ['pipe', 'pipe', 'pipe'] });
    this.child.stdin.on('error', () => undefined); // its end says more
    this.child.stderr.on('data', (chunk: Buffer) => {
      this.lastWords = (this.lastWords + chunk.toString('utf8')).slice(-LAST_WORDS);
    });
    createInterface({ input: this.child.stdout }).on('line', (line) => this.take(line));
    this.closed = new Promise((resolve) => {
      const end = (how: string, code: number | null): void => {
        this.ended ??= { how, code };
        this.settle?.(this.crash());
        resolve();
      };
      this.child.on('error', (error) => end(`could not run: ${error.message}`, null));
      const how = (code: number | null, signal: string | null): string =>
        signal === null ? `exit code ${code}` : `signal ${signal}${signal === 'SIGKILL' ? ' (out of memory?)' : ''}`;
      this.child.on('close', (code, signal) => end(how(code, signal), code));
      // a process that it started itself may hold its streams open
      this.child.on('exit', (code, signal) => setTimeout(() => end(how(code, signal), code), 1000).unref());
    });
  }

  get isAlive(): boolean {
    return this.ended === undefined && this.child.exitCode === null && this.child.signalCode === null;
  }

  perform(index: number, onEvent: (event: UnitEvent) => void): Promise<Outcome> {
    return new Promise((resolve) => {
      this.settle = (outcome) => {
        this.settle = this.current = undefined;
        resolve(outcome);
      };
      if (this.ended !== undefined) return this.settle(this.crash());
      this.current = { index, onEvent };
      if (this.isReady) this.child.stdin.write(`${index}\n`);
    });
  }

  /** Ends the process: at once when it waits for work, else as soon as its unit lets it, and at last by force. */
  async stop(): Promise<void> {
    if (this.ended !== undefined) return;
    if (this.current === undefined) this.child.stdin.end();
    else this.child.kill('SIGTERM');
    const force = setTimeout(() => this.child.kill('SIGKILL'), PATIENCE_MS);
    await this.closed;
    clearTimeout(force);
  }

  private take(line: string): void {
    const event = parse(line);
    if (event?.kind === 'ready') {
      this.isReady = true;
      if (this.current !== undefined) this.child.stdin.write(`${this.current.index}\n`);
    }
    if (event === undefined || event.kind === 'ready' || event.index !== this.current?.index) return;
    switch (event.kind) {
      case 'started':
      case 'progress':
        return this.current.onEvent(event);
      case 'done':
        return this.settle?.({ kind: 'done' });
      case 'again':
      case 'failed':
        return this.settle?.({ kind: event.kind, reason: event.reason });
    }
  }

  private crash(): Outcome {
    const { how, code } = this.ended ?? { how: 'unknown', code: null };
    const words = this.lastWords.trim();
    const said = words === '' ? '' : `; it said: ${lastLines(words)}`;
    if (this.isReady) return { kind: 'again', reason: `the unit's process ended: ${how}${said}` };
    const never = code === UNIT_EXIT.never;
    return { kind: 'not-begun', never, reason: never && words !== '' ? lastLines(words, 1) : `its end: ${how}${said}` };
  }
}

function parse(line: string): UnitLine | undefined {
  if (!line.startsWith('{')) return undefined;
  try {
    return JSON.parse(line) as UnitLine;
  } catch {
    return undefined; // nothing that a program of units says
  }
}
