import { readFile } from 'node:fs/promises';
import { setTimeout as wait } from 'node:timers/promises';
import { isDrfError, refuser, UnavailableError } from '@drf/tensor';
import { lastLines } from '@drf/terminal';
import { dueRanges, unitCommand, unitOptions } from '../command.js';
import type { Runner, RunnerJob, UnitEvent, UnitFailure } from '../contract.js';
import { byStage } from '../plan.js';
import { RayClient, type RayClientOptions, type RayJob } from './ray-client.js';

/** Jobs that may be lost in a row, with a head that was restarted or a driver that died, without a unit that got done. */
const MOST_LOST_JOBS = 3;
/** How long a head may be gone while a job is followed. */
const OUTAGE_MS = 5 * 60_000;
const POLL_MS = 2000;
const SLOWEST_POLL_MS = 30_000;
/** Logs come whole with each poll, so the longer they are, the less often they are asked for. */
const LOG_BYTES_A_SECOND = 200_000;
const STOP_MS = 60_000;
/** Of what says which units are due: in base64 it goes through a variable and, in Ray, an argument, which take 128 KiB. */
const MOST_RANGES = 40_000;

/** Where object storage is; credentials are the machines' own, since anybody who sees the dashboard sees a job's variables. */
const STORAGE_VARIABLES = ['AWS_ENDPOINT_URL', 'AWS_ENDPOINT_URL_S3', 'AWS_REGION', 'AWS_DEFAULT_REGION'];

/** Sent with each job, so that nothing but Ray is needed on the head. Source and the built package lie equally deep. */
const DRIVER = new URL('../../ray/driver.py', import.meta.url);

/**
 * Runs the driver by the Python that Ray runs by, which need not be on the path. It is in base64 since Ray replaces
 * `$NAME` in variables.
 */
const ENTRYPOINT = [
  "raylet=$(readlink /proc/$(tr '\\0' '\\n' < /proc/$PPID/environ | sed -n 's/^RAY_RAYLET_PID=//p')/exe)",
  'for python in "${raylet%/lib/python*}/bin/python3" python3 python; do ' +
    '"$python" -c "import ray" 2>/dev/null && exec "$python" -c "import base64, os; exec(base64.b64decode(os.environ[\'DRF_RAY_DRIVER\']))"; done',
  'echo "no Python on this machine has Ray: pip install \'ray[default]\'"',
  'exit 127',
].join('; ');

/** What the driver says beside what happens to units. */
type DriverEvent =
  UnitEvent | { readonly kind: 'ready' | 'ended' } | { readonly kind: 'warning' | 'broken'; readonly reason: string };

export interface RayRunnerOptions extends RayClientOptions {
  /** Where the program of units lies on the machines: `node /opt/drf/unit.js`; default: as here. */
  readonly unitCommand?: string | undefined;
  /** Tells a person what happens to jobs. */
  readonly say?: (line: string) => void;
  readonly pollMs?: number;
}

/**
 * Does units over a Ray cluster, as one job of it.
 * @param address `ray://HEAD:8265`, or `rays://…` for HTTPS
 * @throws ConfigurationError for another address
 */
export function rayRunner(address: string, options: RayRunnerOptions = {}): Runner {
  const client = new RayClient(address, options);
  return { name: address, run: (job) => new RayRun(client, job, options).run() };
}

/** How following a job ended. */
type Ending = 'succeeded' | 'lost' | 'aborted';

class RayRun {
  private readonly due: ReadonlySet<number>;
  private readonly done = new Set<number>();
  private readonly failures = new Map<number, string>();
  private readonly say: (line: string) => void;

  constructor(
    private readonly client: RayClient,
    private readonly job: RunnerJob,
    private readonly options: RayRunnerOptions,
  ) {
    this.due = new Set(job.due);
    this.say = options.say ?? (() => undefined);
  }

  async run(): Promise<readonly UnitFailure[]> {
    const { signal } = this.job;
    try {
      await this.client.version(signal);
      for (let lost = 0; lost < MOST_LOST_JOBS;) {
        const before = this.done.size + this.failures.size;
        const { id, joined } = lost === 0 ? await this.begin() : await this.patiently(() => this.begin());
        const ending = await this.follow(id);
        if (ending === 'aborted' || this.rest().length === 0 || (ending === 'succeeded' && !joined))
          return this.given();
        if (ending === 'lost') lost = this.done.size + this.failures.size > before ? 1 : lost + 1;
        if (ending === 'lost') this.say(`Job ${id} was lost; what it had not done is submitted again.`);
      }
    } catch (error) {
      if (signal?.aborted === true) return this.given();
      throw error;
    }
    const refuse = refuser(UnavailableError, `Ray at ${this.client.base.href}`);
    const remedy = 'see its dashboard for the reason; the same command goes on';
    throw refuse('jobs to get on', `${MOST_LOST_JOBS} that were lost one after the other`, remedy);
  }

  private given(): UnitFailure[] {
    return [...this.failures].map(([index, reason]) => ({ index, reason }));
  }

  private rest(): number[] {
    return this.job.due.filter((index) => !this.done.has(index) && !this.failures.has(index));
  }

  /** Lets a head be gone for a while, as when it is started anew. */
  private async patiently<Result>(ask: () => Promise<Result>): Promise<Result> {
    const { pollMs = POLL_MS } = this.options;
    for (const since = performance.now(); ;) {
      try {
        return await ask();
      } catch (error) {
        this.job.signal?.throwIfAborted();
        if (!isDrfError(error, 'unavailable') || performance.now() - since > OUTAGE_MS) throw error;
      }
      await wait(pollMs, undefined, { signal: this.job.signal });
    }
  }

  /** Joins the job of an earlier command that was killed, or submits one. */
  private async begin(): Promise<{ readonly id: string; readonly joined: boolean }> {
    const { plan, signal } = this.job;
    const stem = `drf-${plan.hash.slice(0, 16)}-`;
    const earlier = (await this.client.jobs(signal)).filter(({ submission_id: id }) => id?.startsWith(stem) === true);
    const running = earlier.find(({ status }) => status === 'RUNNING' || status === 'PENDING')?.submission_id;
    if (typeof running === 'string') {
      this.say(`Joined job ${running}, which an earlier command submitted.`);
      return { id: running, joined: true };
    }
    const numbers = earlier.map(({ submission_id: id }) => Number(id?.slice(stem.length)) || 0);
    const id = `${stem}${Math.max(0, ...numbers) + 1}`;
    await this.client.submit(await this.submission(id), signal);
    this.say(`Submitted job ${id} of ${this.rest().length} units.`);
    return { id, joined: false };
  }

  private async submission(id: string): Promise<Parameters<RayClient['submit']>[0]> {
    const { plan, program, lanes = null } = this.job;
    const { cores, gpus, memoryBytes } = plan.resources;
    const given = {
      command: unitCommand(program, this.options.unitCommand),
      plan: plan.location,
      options: unitOptions(),
      folder: process.cwd(),
      due: dueRanges(byStage(plan, this.rest()), (index) => !this.due.has(index) || this.done.has(index), MOST_RANGES),
      ...{ lanes, cores, gpus, memoryBytes },
    };
    const base64 = (content: string | Buffer): string => Buffer.from(content).toString('base64');
    const storage = STORAGE_VARIABLES.flatMap((name) => {
      const value = process.env[name];
      return value === undefined ? [] : [[name, value] as const];
    });
    const variables = {
      ...Object.fromEntries(storage),
      DRF_RAY_DRIVER: base64(await readFile(DRIVER)),
      DRF_RAY_JOB: base64(JSON.stringify(given)),
      RAY_USAGE_STATS_ENABLED: '0',
    };
    const metadata = { plan: plan.location, kind: plan.kind, units: String(this.rest().length) };
    return { entrypoint: ENTRYPOINT, submission_id: id, runtime_env: { env_vars: variables }, metadata };
  }

  /** Watches a job to its end; stops it when the signal aborts. */
  private async follow(id: string): Promise<Ending> {
    const { signal } = this.job;
    const { pollMs = POLL_MS } = this.options;
    const lines = new JobLines();
    let goneSince: number | undefined;
    for (;;) {
      let job: RayJob | undefined;
      let logs = '';
      try {
        job = await this.client.job(id, signal);
        if (job === undefined) return 'lost';
        logs = await this.client.logs(id, signal);
        goneSince = undefined;
      } catch (error) {
        if (signal?.aborted === true) return await this.stop(id);
        if (goneSince === undefined) this.say('Ray does not answer; waiting for it.');
        goneSince ??= performance.now();
        if (!isDrfError(error, 'unavailable') || performance.now() - goneSince > OUTAGE_MS) throw error;
      }
      for (const event of lines.take(logs)) this.take(event, id);
      if (signal?.aborted === true) return await this.stop(id);
      if (job?.status === 'SUCCEEDED') return 'succeeded';
      if (job?.status === 'STOPPED') throw this.refuse(id, 'that somebody stopped it', 'the same command goes on');
      if (job?.status === 'FAILED') {
        if (lines.began) return 'lost';
        const said = logs.slice(logs.indexOf('Running entrypoint')).split('\n').slice(1).join('\n');
        const reason = `${lastLines((job.message ?? '').split(', last available logs')[0] as string, 2)}: ${lastLines(said, 6)}`;
        throw this.refuse(id, `one that failed before it began: ${reason}`, 'see the job in its dashboard');
      }
      const pause = Math.min(SLOWEST_POLL_MS, Math.max(pollMs, (1000 * logs.length) / LOG_BYTES_A_SECOND));
      await wait(pause, undefined, { signal }).catch(() => undefined);
    }
  }

  private take(event: DriverEvent, id: string): void {
    if (event.kind === 'warning') this.say(event.reason);
    if (event.kind === 'broken') {
      throw this.refuse(id, `the same failure each time: ${event.reason}`, 'mend that; the same command goes on');
    }
    if (!('index' in event) || !this.due.has(event.index)) return; // was there before
    if (event.kind === 'done') this.done.add(event.index);
    if (event.kind === 'done') this.failures.delete(event.index);
    if (event.kind === 'failed') this.failures.set(event.index, event.reason);
    this.job.onEvent(event);
  }

  private async stop(id: string): Promise<Ending> {
    await this.client.stop(id);
    for (const end = performance.now() + STOP_MS; performance.now() < end;) {
      const status = (await this.client.job(id))?.status;
      if (status !== 'RUNNING' && status !== 'PENDING') break;
      await wait(500);
    }
    return 'aborted';
  }

  private refuse(id: string, received: string, remedy: string): UnavailableError {
    return refuser(UnavailableError, `Job ${id} of Ray at ${this.client.base.href}`)(
      'to do its units',
      received,
      remedy,
    );
  }
}

/** Events in a job's log, of which each is given once though the log comes whole each time. */
class JobLines {
  private taken = 0;
  began = false;

  *take(logs: string): Generator<DriverEvent> {
    const end = logs.lastIndexOf('\n') + 1;
    const fresh = logs.slice(this.taken, end);
    this.taken = Math.max(this.taken, end);
    for (const line of fresh.split('\n')) {
      const event = line.startsWith('{"kind": ') ? parse(line) : undefined;
      if (event === undefined) continue;
      this.began = true;
      yield event;
    }
  }
}

function parse(line: string): DriverEvent | undefined {
  try {
    return JSON.parse(line) as DriverEvent;
  } catch {
    return undefined; // the line of another program
  }
}
