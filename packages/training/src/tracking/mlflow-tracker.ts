import { readFile, stat } from 'node:fs/promises';
import { setTimeout as wait } from 'node:timers/promises';
import { join } from 'node:path';
import { z } from 'zod';
import { readJson, readText, RefusedError, writeJsonAtomic } from '@drf/files';
import type { TrackedOutcome, TrackedRun, Tracker } from './tracker.js';

/** Where an MLflow server is, and how it knows who asks. */
export interface MlflowServer {
  /** Without a slash at its end. */
  readonly url: string;
  /** Default: the run's own. */
  readonly experiment?: string;
  /** Value of the header. */
  readonly authorization?: string;
  /** How long {@link MlflowTracker.end} waits in all. Default 10 s. */
  readonly patienceMs?: number;
  /** Before the first further attempt after a failure; doubles each time up to 30 s. Default 1 s. */
  readonly retryDelayMs?: number;
}

/** What a run's folder keeps, so that a training that goes on, and an evaluation, find the same run. */
export const TRACKING_FILE = 'tracking.json';

const trackingSchema = z.looseObject({ kind: z.literal('mlflow'), url: z.string(), runId: z.string().min(1) });

const runInfoSchema = z.looseObject({
  run: z.looseObject({
    info: z.looseObject({
      run_id: z.string().min(1),
      experiment_id: z.string(),
      artifact_uri: z.string().optional(),
      lifecycle_stage: z.string().optional(),
    }),
  }),
});
type RunInfo = z.infer<typeof runInfoSchema>['run']['info'];

/** MLflow's limits of one request. */
const PARAMETERS_A_REQUEST = 100;
const METRICS_A_REQUEST = 1000;
/** Of a parameter; longer ones are cut. Servers of later versions take more. */
const LONGEST_VALUE = 500;
const LONGEST_NAME = 250;
/** More that waits is given up: a server that was away for that long is not coming back. */
const LONGEST_QUEUE = 10_000;

const REQUEST_MS = 30_000;
const LONGEST_DELAY_MS = 30_000;
const LONGEST_ANSWER = 4 * 1024 * 1024;
const LARGEST_ARTIFACT = 64 * 1024 * 1024;

/** After the end of a run, of one message; a server that does not answer them is gone. */
const LAST_ATTEMPTS = 3;

const STATUS: Readonly<Record<TrackedOutcome, string>> = {
  finished: 'FINISHED',
  failed: 'FAILED',
  interrupted: 'KILLED',
};

interface Message {
  readonly send: () => Promise<void>;
}

/**
 * Tells an MLflow server by its REST interface (2.0). Messages wait in a queue, and one after the other is sent beside the
 * run, again and again while the server does not answer.
 * https://mlflow.org/docs/latest/api_reference/rest-api.html
 */
export class MlflowTracker implements Tracker {
  private readonly queue: Message[] = [];
  private working: Promise<void> | undefined;
  private run: RunInfo | undefined;
  /** Whether the run was made here. */
  private isNew = false;
  /** Whether it runs, and ends here. */
  private isOpen = false;
  /** Why nothing more can be told. */
  private refusal: string | undefined;
  private lastTrouble: string | undefined;
  private undelivered = 0;
  private delivered = 0;
  private readonly notes = new Set<string>();
  private readonly stopped = new AbortController();
  /** Aborted when the end has come: whoever waits to try again does so at once. */
  private readonly ending = new AbortController();

  constructor(private readonly server: MlflowServer) {}

  begin(run: TrackedRun): void {
    this.add(() => this.openRun(run));
    const parameters = Object.entries(run.parameters).map(([key, value]) => ({
      key: safeName(key),
      value: shown(value),
    }));
    this.add(async () => {
      if (!this.isNew) return; // it has them, and MLflow takes no others
      for (const params of inParts(parameters, PARAMETERS_A_REQUEST)) await this.log({ params });
    });
  }

  metrics(values: Readonly<Record<string, number | null>>, step: number): void {
    const timestamp = Date.now();
    const metrics = Object.entries(values).flatMap(([key, value]) =>
      value === null || !Number.isFinite(value) ? [] : [{ key: safeName(key), value, timestamp, step }],
    );
    for (const part of inParts(metrics, METRICS_A_REQUEST)) this.add(() => this.log({ metrics: part }));
  }

  artifact(name: string, path: string): void {
    this.add(() => this.sendArtifact(name, path));
  }

  async end(outcome: TrackedOutcome): Promise<readonly string[]> {
    this.add(async () => {
      if (this.isOpen)
        await this.post('runs/update', { run_id: this.runId, status: STATUS[outcome], end_time: Date.now() });
    });
    this.ending.abort();
    const timer = setTimeout(() => this.stopped.abort(), this.server.patienceMs ?? 10_000);
    await this.working;
    clearTimeout(timer);
    return this.summary();
  }

  private get runId(): string {
    return this.run?.run_id ?? '';
  }

  private summary(): string[] {
    const { url } = this.server;
    const where = this.run === undefined ? [] : [`Tracked at ${url}/#/experiments/${this.run.experiment_id}/runs/${this.runId}`]; // prettier-ignore
    const trouble = this.refusal ?? this.lastTrouble ?? 'no answer in time';
    const lost = this.undelivered === 0 ? [] : [`MLflow at ${url} was not told everything: ${this.undelivered} of ${this.undelivered + this.delivered} messages did not arrive (${trouble}).`]; // prettier-ignore
    return [...where, ...lost, ...this.notes];
  }

  private add(send: () => Promise<void>): void {
    if (this.refusal !== undefined || this.queue.length >= LONGEST_QUEUE) {
      this.undelivered++;
      return;
    }
    this.queue.push({ send });
    this.working ??= this.work();
  }

  private async work(): Promise<void> {
    await Promise.resolve(); // whoever adds goes on first
    for (let message = this.queue.shift(); message !== undefined; message = this.queue.shift()) {
      await this.deliver(message);
    }
    this.working = undefined;
  }

  private async deliver({ send }: Message): Promise<void> {
    let last = 0; // attempts begun since the end came
    for (let attempt = 0; ; attempt++) {
      if (this.refusal !== undefined || this.stopped.signal.aborted) return void this.undelivered++;
      const isEnding = this.ending.signal.aborted;
      try {
        await send();
        this.delivered++;
        return;
      } catch (error) {
        const trouble = causeOf(error);
        if (!this.stopped.signal.aborted) this.lastTrouble = trouble;
        if (error instanceof MlflowRefusal && !error.isPassing) {
          // without a run, nothing else can be told, either
          if (this.run === undefined) this.refusal = trouble;
          this.undelivered++;
          return;
        }
        if (isEnding && ++last >= LAST_ATTEMPTS) this.refusal = trouble;
        else await this.pause(attempt);
      }
    }
  }

  /** Waits before another attempt; at the end of a run not for long. */
  private async pause(attempt: number): Promise<void> {
    const { retryDelayMs = 1000 } = this.server;
    const isEnding = this.ending.signal.aborted;
    const delay = Math.min(isEnding ? 500 : LONGEST_DELAY_MS, retryDelayMs * 2 ** Math.min(attempt, 16));
    const wakers = isEnding ? [this.stopped.signal] : [this.ending.signal, this.stopped.signal];
    const woken = AbortSignal.any(wakers);
    await wait(delay, undefined, { signal: woken }).catch(() => undefined); // to try at once, or to end
  }

  private async openRun(run: TrackedRun): Promise<void> {
    const path = join(run.folder, TRACKING_FILE);
    const known = run.kind === 'new' ? undefined : await this.knownRun(path);
    if (known !== undefined) {
      if (run.kind === 'continue') await this.post('runs/update', { run_id: known.run_id, status: 'RUNNING' });
      this.isOpen = run.kind === 'continue';
      this.run = known;
      return;
    }
    const experiment = await this.experimentId(this.server.experiment ?? run.experiment);
    const tags = Object.entries(run.tags).map(([key, value]) => ({ key: safeName(key), value: value.slice(0, LONGEST_VALUE) })); // prettier-ignore
    const answer = await this.post('runs/create', {
      experiment_id: experiment,
      run_name: run.name,
      start_time: Date.now(),
      tags,
    });
    this.run = runInfoSchema.parse(answer).run.info;
    [this.isNew, this.isOpen] = [true, true];
    const { url } = this.server;
    await writeJsonAtomic(path, { kind: 'mlflow', url, experimentId: experiment, runId: this.runId }).catch(() => {
      this.notes.add(`${path} could not be written: a training that goes on will be another run there.`);
    });
  }

  /** The run of this server that a folder knows, if it is still there. A folder may come from elsewhere: others are not asked. */
  private async knownRun(path: string): Promise<RunInfo | undefined> {
    const { data } = trackingSchema.safeParse(await readJson(path, 64 * 1024).catch(() => undefined));
    if (data?.url !== this.server.url) return undefined;
    const answer = await this.get('runs/get', { run_id: data.runId }).catch((error: unknown) => {
      if (error instanceof MlflowRefusal && [400, 404].includes(error.status)) return undefined; // deleted
      throw error;
    });
    const info = runInfoSchema.safeParse(answer).data?.run.info;
    return info?.lifecycle_stage === 'deleted' ? undefined : info;
  }

  private async experimentId(name: string): Promise<string> {
    const schema = z.looseObject({ experiment: z.looseObject({ experiment_id: z.string(), lifecycle_stage: z.string().optional() }) }); // prettier-ignore
    const find = async (): Promise<string | undefined> => {
      const answer = await this.get('experiments/get-by-name', { experiment_name: name }).catch((error: unknown) => {
        if (error instanceof MlflowRefusal && error.status === 404) return undefined;
        throw error;
      });
      return schema.safeParse(answer).data?.experiment.experiment_id;
    };
    const found = await find();
    if (found !== undefined) return found;
    const made = await this.post('experiments/create', { name }).catch(async (error: unknown) => {
      const other = error instanceof MlflowRefusal && error.status === 400 ? await find() : undefined;
      if (other !== undefined) return { experiment_id: other }; // somebody else was faster
      throw error;
    });
    return z.looseObject({ experiment_id: z.string() }).parse(made).experiment_id;
  }

  private async log(content: {
    readonly params?: readonly object[];
    readonly metrics?: readonly object[];
  }): Promise<void> {
    if (Object.values(content).every((list) => list.length === 0)) return;
    await this.post('runs/log-batch', { run_id: this.runId, ...content });
  }

  /** Sends a file through the server, where the server keeps artifacts by itself. */
  private async sendArtifact(name: string, path: string): Promise<void> {
    const size = (await stat(path).catch(() => undefined))?.size;
    if (size === undefined || size > LARGEST_ARTIFACT) return;
    const uri = this.run?.artifact_uri ?? '';
    const folder = /^mlflow-artifacts:(?:\/\/[^/]*)?\/(.*)$/.exec(uri)?.[1];
    if (folder === undefined) {
      this.notes.add(`MLflow keeps artifacts at ${uri === '' ? 'another place' : uri.replace(/\?.*$/, '')}, where they were not sent.`); // prettier-ignore
      return;
    }
    const encoded = [...folder.split('/'), name].map(encodeURIComponent).join('/');
    await this.ask(`/api/2.0/mlflow-artifacts/artifacts/${encoded}`, {
      method: 'PUT',
      body: await readFile(path),
      headers: { 'content-type': 'application/octet-stream' },
    });
  }

  private get(method: string, query: Readonly<Record<string, string>>): Promise<unknown> {
    return this.ask(`/api/2.0/mlflow/${method}?${new URLSearchParams(query)}`, {});
  }

  private post(method: string, content: object): Promise<unknown> {
    const headers = { 'content-type': 'application/json' };
    return this.ask(`/api/2.0/mlflow/${method}`, { method: 'POST', body: JSON.stringify(content), headers });
  }

  /** @throws MlflowRefusal for a status that is none of success */
  private async ask(
    path: string,
    init: RequestInit & { readonly headers?: Readonly<Record<string, string>> },
  ): Promise<unknown> {
    const { url, authorization } = this.server;
    const headers = { ...init.headers, ...(authorization === undefined ? {} : { authorization }) };
    const signal = AbortSignal.any([this.stopped.signal, AbortSignal.timeout(REQUEST_MS)]);
    const response = await fetch(`${url}${path}`, { ...init, headers, signal, redirect: 'error' });
    const text = await readText(response, LONGEST_ANSWER);
    if (!response.ok) throw new MlflowRefusal(new RefusedError(response), text);
    return text === '' ? {} : (JSON.parse(text) as unknown);
  }
}

const reasonSchema = z.looseObject({ message: z.string() });

function parsedJson(text: string): unknown {
  try {
    return JSON.parse(text);
  } catch {
    return undefined; // a page of a proxy, for one
  }
}

/** What the server will not do, and why. */
class MlflowRefusal extends Error {
  readonly status: number;
  readonly isPassing: boolean;

  constructor({ message, status, isPassing }: RefusedError, answer: string) {
    const reason = reasonSchema.safeParse(parsedJson(answer)).data?.message;
    super(reason === undefined ? message : `${message}: ${reason.slice(0, 200)}`);
    this.status = status;
    this.isPassing = isPassing;
  }
}

/** MLflow takes letters, digits and "_-. /" in names. */
function safeName(name: string): string {
  return name.replaceAll(/[^\w\-. /]/g, '_').slice(0, LONGEST_NAME);
}

function shown(value: unknown): string {
  const text = typeof value === 'string' ? value : (JSON.stringify(value) ?? '');
  return text.length > LONGEST_VALUE ? `${text.slice(0, LONGEST_VALUE - 1)}…` : text;
}

function inParts<T>(items: readonly T[], size: number): T[][] {
  return Array.from({ length: Math.ceil(items.length / size) }, (_, i) => items.slice(i * size, (i + 1) * size));
}

/** "fetch failed" says nothing; its cause does. */
function causeOf(error: unknown): string {
  if (!(error instanceof Error)) return String(error);
  if (error instanceof z.ZodError || error instanceof SyntaxError) return 'its answers are not those of MLflow';
  return error.cause instanceof Error ? `${error.message}: ${error.cause.message}` : error.message;
}
