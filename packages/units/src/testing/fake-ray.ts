import { createServer, type IncomingMessage, type ServerResponse } from 'node:http';
import type { AddressInfo } from 'node:net';
import type { RayJob, RaySubmission } from '../runners/ray-client.js';

/** A job of {@link FakeRay}: how it goes is a test's to say. */
export interface FakeJob {
  readonly submission: RaySubmission;
  status: RayJob['status'];
  message: string | null;
  logs: string;
}

/** The task that a submission carries, as the driver would read it. */
export function taskOf({ submission }: FakeJob): Record<string, unknown> {
  const text = Buffer.from(submission.runtime_env.env_vars['DRF_RAY_JOB'] ?? '', 'base64').toString('utf8');
  return JSON.parse(text) as Record<string, unknown>;
}

/** A line that a driver prints. */
export function line(event: Readonly<Record<string, unknown>>): string {
  return `${JSON.stringify(event).replace('"kind":', '"kind": ')}\n`;
}

/** Speaks the routes of Ray's dashboard that its client asks for. */
export class FakeRay {
  readonly jobs = new Map<string, FakeJob>();
  readonly requests: string[] = [];
  token: string | undefined;
  version: unknown = { version: '4', ray_version: '2.60.0', session_name: 'session_1' };
  /** Answers instead, where it gives one. */
  interfere: (request: IncomingMessage) => { readonly status: number; readonly text: string } | undefined = () =>
    undefined;
  /** Called with each job that is submitted. */
  onSubmit: (job: FakeJob) => void = () => undefined;
  onStop: (job: FakeJob) => void = (job) => void (job.status = 'STOPPED');
  private readonly server = createServer((request, response) => void this.answer(request, response));

  async start(): Promise<string> {
    await new Promise<void>((resolve) => this.server.listen(0, '127.0.0.1', resolve));
    return `ray://127.0.0.1:${(this.server.address() as AddressInfo).port}`;
  }

  async stop(): Promise<void> {
    this.server.closeAllConnections();
    await new Promise((resolve) => this.server.close(resolve));
  }

  private async answer(request: IncomingMessage, response: ServerResponse): Promise<void> {
    const { method = '', url = '', headers } = request;
    this.requests.push(`${method} ${url}`);
    let body = '';
    for await (const chunk of request) body += String(chunk);
    const send = (status: number, value: unknown): void => {
      response.writeHead(status).end(typeof value === 'string' ? value : JSON.stringify(value));
    };
    const other = this.interfere(request);
    if (other !== undefined) return send(other.status, other.text);
    if (method === 'POST' && headers['sec-fetch-mode'] !== undefined) return send(405, 'browser traffic');
    if (this.token !== undefined && headers.authorization === undefined)
      return send(401, 'Unauthorized: Missing token');
    if (this.token !== undefined && headers.authorization !== `Bearer ${this.token}`) return send(403, 'Forbidden');
    if (url === '/api/version') return send(200, this.version);
    if (url === '/api/jobs/' && method === 'GET') return send(200, [...this.jobs.values()].map(described));
    if (url === '/api/jobs/') {
      const submission = JSON.parse(body) as RaySubmission;
      const id = submission.submission_id;
      if (this.jobs.has(id)) return send(500, `ValueError: Job with submission_id ${id} already exists.`);
      const job: FakeJob = { submission, status: 'RUNNING', message: null, logs: '' };
      this.jobs.set(id, job);
      this.onSubmit(job);
      return send(200, { submission_id: id });
    }
    const [, id = '', what] = /^\/api\/jobs\/([^/]+)(?:\/(\w+))?$/.exec(url) ?? [];
    const job = this.jobs.get(id);
    if (job === undefined) return send(404, `Job ${id} does not exist`);
    if (what === 'logs') return send(200, { logs: job.logs });
    if (what === 'stop') this.onStop(job);
    return send(200, what === 'stop' ? { stopped: true } : described(job));
  }
}

function described({ submission, status, message }: FakeJob): RayJob {
  return { submission_id: submission.submission_id, status, message };
}
