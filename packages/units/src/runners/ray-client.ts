import { readFileSync } from 'node:fs';
import * as http from 'node:http';
import * as https from 'node:https';
import { homedir } from 'node:os';
import { join } from 'node:path';
import { retryRequest } from '@drf/files';
import { ConfigurationError, refuser, UnavailableError } from '@drf/tensor';
import { lastLines } from '@drf/terminal';

/** The oldest Ray that can be told to ask for a token. */
const MINIMUM_RAY = '2.52';

const PORT = 8265;
const MOST_ANSWER_BYTES = 256 * 2 ** 20;
const PATIENCE_MS = 30_000;

/** A job, as Ray describes it. */
export interface RayJob {
  readonly submission_id: string | null;
  readonly status: 'PENDING' | 'RUNNING' | 'STOPPED' | 'SUCCEEDED' | 'FAILED';
  readonly message: string | null;
}

export interface RaySubmission {
  readonly entrypoint: string;
  readonly submission_id: string;
  readonly runtime_env: { readonly env_vars: Readonly<Record<string, string>> };
  readonly metadata: Readonly<Record<string, string>>;
}

/** An answer of Ray's that is no success. */
class RayRefusal extends Error {
  constructor(
    readonly status: number,
    readonly text: string,
  ) {
    super(`HTTP status ${status}: ${lastLines(text, 2)}`);
  }
}

export interface RayClientOptions {
  /** Default: {@link rayToken}. */
  readonly token?: string | undefined;
  /** Before the second attempt of a request. Default 500. */
  readonly delayMs?: number;
  /** Of a request, before Ray counts as gone. Default 4. */
  readonly attempts?: number;
  /** Without a byte, before an attempt counts as failed. Default 30,000. */
  readonly patienceMs?: number;
}

/**
 * Ray's Jobs REST API. It speaks by node:http: Ray refuses requests that seem to come from browsers, as those of fetch do.
 * All methods throw UnavailableError when Ray does not answer after some attempts, ConfigurationError when it wants
 * another token.
 */
export class RayClient {
  readonly base: URL;
  private readonly token: string | undefined;
  private readonly attempts: number;
  private readonly delayMs: number;
  private readonly patienceMs: number;

  /**
   * @param address `ray://HEAD:8265`, or `rays://…` for HTTPS
   * @throws ConfigurationError for another one
   */
  constructor(address: string, options: RayClientOptions = {}) {
    this.base = baseOf(address);
    this.token = options.token ?? rayToken();
    this.attempts = options.attempts ?? 4;
    this.delayMs = options.delayMs ?? 500;
    this.patienceMs = options.patienceMs ?? PATIENCE_MS;
  }

  /** Ray's version. @throws UnavailableError also for what is no Ray, or too old */
  async version(signal?: AbortSignal): Promise<string> {
    const refuse = refuser(UnavailableError, `Ray at ${this.base.href}`);
    const patience = AbortSignal.timeout(this.patienceMs); // of a first question, whatever trickles in and is tried again
    const either = signal === undefined ? patience : AbortSignal.any([signal, patience]);
    const answer = await this.request('GET', '/api/version', { signal: either }).catch((error: unknown) => {
      signal?.throwIfAborted();
      if (patience.aborted) throw refuse('to answer', `no whole answer in ${this.patienceMs / 1000} s`, NO_DASHBOARD);
      if (error instanceof RayRefusal) throw refuse('the dashboard of a Ray cluster', error.message, NO_DASHBOARD);
      throw error;
    });
    const found = (answer ?? {}) as { readonly ray_version?: unknown };
    if (typeof found.ray_version !== 'string') {
      throw refuse('the dashboard of a Ray cluster', 'another answer to /api/version', NO_DASHBOARD);
    }
    if (isOlder(found.ray_version, MINIMUM_RAY)) {
      const remedy = 'install a newer one on all machines: pip install --upgrade "ray[default]"';
      throw refuse(`Ray ${MINIMUM_RAY} or newer`, found.ray_version, remedy);
    }
    return found.ray_version;
  }

  /** All jobs that the head remembers. */
  async jobs(signal?: AbortSignal): Promise<readonly RayJob[]> {
    return (await this.ask('GET', '/api/jobs/', { signal })) as readonly RayJob[];
  }

  /** Submits a job; one of this id that is there already stays as it is. */
  async submit(submission: RaySubmission, signal?: AbortSignal): Promise<void> {
    await this.ask('POST', '/api/jobs/', { body: submission, signal }, (error) =>
      error.text.includes('already exists') ? {} : undefined,
    );
  }

  /** Nothing for a job that the head does not know (any more). */
  async job(id: string, signal?: AbortSignal): Promise<RayJob | undefined> {
    const path = `/api/jobs/${encodeURIComponent(id)}`;
    const missing = (error: RayRefusal): unknown => (error.status === 404 ? null : undefined);
    return ((await this.ask('GET', path, { signal }, missing)) as RayJob | null) ?? undefined;
  }

  /** All that a job has printed; nothing where its machine does not say. */
  async logs(id: string, signal?: AbortSignal): Promise<string> {
    const none = (error: RayRefusal): unknown => (error.status === 404 || error.status === 500 ? {} : undefined);
    const answer = await this.ask('GET', `/api/jobs/${encodeURIComponent(id)}/logs`, { signal }, none);
    const { logs } = answer as { readonly logs?: unknown };
    return typeof logs === 'string' ? logs : '';
  }

  async stop(id: string): Promise<void> {
    await this.ask('POST', `/api/jobs/${encodeURIComponent(id)}/stop`, {}, (error) =>
      error.status === 404 ? {} : undefined,
    );
  }

  /** @param accept the answer that a refusal stands for, if it does for one */
  private async ask(
    method: string,
    path: string,
    options: { readonly body?: unknown; readonly signal?: AbortSignal | undefined },
    accept: (error: RayRefusal) => unknown = () => undefined,
  ): Promise<unknown> {
    try {
      return await this.request(method, path, options, accept);
    } catch (error) {
      if (!(error instanceof RayRefusal)) throw error;
      const refuse = refuser(UnavailableError, `Ray at ${this.base.href}`);
      throw refuse(`to answer ${method} ${path}`, error.message, undefined, error);
    }
  }

  private async request(
    method: string,
    path: string,
    { body, signal }: { readonly body?: unknown; readonly signal?: AbortSignal | undefined },
    accept: (error: RayRefusal) => unknown = () => undefined,
  ): Promise<unknown> {
    const attempt = async (): Promise<unknown> => {
      try {
        return JSON.parse(await this.send(method, path, body, signal)) as unknown;
      } catch (error) {
        const answer = error instanceof RayRefusal ? accept(error) : undefined;
        if (answer === undefined) throw error;
        return answer;
      }
    };
    const isFinal = (error: Error): boolean =>
      error instanceof SyntaxError || (error instanceof RayRefusal && error.status < 500 && error.status !== 429);
    const { attempts, delayMs } = this;
    const options = { attempts, delayMs, ...(signal === undefined ? {} : { signal }) };
    try {
      return await retryRequest(attempt, options, isFinal);
    } catch (error) {
      signal?.throwIfAborted();
      const { status } = error instanceof RayRefusal ? error : { status: undefined };
      if (status === 401 || status === 403) {
        const received = this.token === undefined ? 'none' : `one that it refuses (HTTP status ${status})`;
        const remedy = "set RAY_AUTH_TOKEN or RAY_AUTH_TOKEN_PATH, or put the cluster's token into ~/.ray/auth_token";
        throw refuser(ConfigurationError, `Ray at ${this.base.href}`)('its token', received, remedy);
      }
      if (error instanceof RayRefusal) throw error;
      const refuse = refuser(UnavailableError, `Ray at ${this.base.href}`);
      if (error instanceof SyntaxError) throw refuse('the dashboard of a Ray cluster', 'no JSON', NO_DASHBOARD);
      const { code, message } = error as NodeJS.ErrnoException;
      const remedy = 'check the address, and that its head runs: ray start --head --dashboard-host=ADDRESS';
      throw refuse('to answer', code === undefined || message.includes(code) ? message : `${code}: ${message}`, remedy, error); // prettier-ignore
    }
  }

  private send(method: string, path: string, body: unknown, signal: AbortSignal | undefined): Promise<string> {
    return new Promise((resolve, reject) => {
      const { request } = this.base.protocol === 'https:' ? https : http;
      const text = body === undefined ? undefined : JSON.stringify(body);
      const headers: http.OutgoingHttpHeaders = { accept: 'application/json' };
      if (text !== undefined) headers['content-type'] = 'application/json';
      if (text !== undefined) headers['content-length'] = Buffer.byteLength(text);
      if (this.token !== undefined) headers['authorization'] = `Bearer ${this.token}`;
      const url = new URL(`.${path}`, this.base);
      const sent = request(url, { method, headers, timeout: this.patienceMs, signal }, (response) => {
        const chunks: Buffer[] = [];
        let bytes = 0;
        response.on('data', (chunk: Buffer) => {
          chunks.push(chunk);
          bytes += chunk.length;
          if (bytes > MOST_ANSWER_BYTES) sent.destroy(new Error(`an answer of more than ${MOST_ANSWER_BYTES} bytes`));
        });
        response.on('error', reject);
        response.on('end', () => {
          const answer = Buffer.concat(chunks).toString('utf8');
          const { statusCode = 0 } = response;
          if (statusCode >= 200 && statusCode < 300) resolve(answer);
          else reject(new RayRefusal(statusCode, answer));
        });
      });
      sent.on('timeout', () => sent.destroy(new Error(`no byte in ${this.patienceMs / 1000} s`)));
      sent.on('error', reject);
      sent.end(text);
    });
  }
}

/**
 * Asks a Ray cluster for its version.
 * @throws UnavailableError when it does not answer, is no Ray, or is too old; ConfigurationError for a wrong address or
 *   token
 */
export function rayVersion(address: string, options: RayClientOptions = {}): Promise<string> {
  return new RayClient(address, options).version();
}

const NO_DASHBOARD = `give the address of its dashboard (port ${PORT} unless it was started otherwise)`;

/** @throws ConfigurationError */
function baseOf(address: string): URL {
  const refuse = refuser(ConfigurationError, `Address ${address.replace(/\/\/.*@/, '//…@')}`);
  const [, secure, rest = ''] = /^ray(s?):\/\/([^?#]+)$/.exec(address) ?? [];
  const base = `${secure === 's' ? 'https' : 'http'}://${rest.replace(/\/*$/, '/')}`;
  if (!URL.canParse(base)) throw refuse('ray://HEAD:8265, or rays://… for HTTPS', 'another form');
  const url = new URL(base);
  if (url.username !== '' || url.password !== '') {
    throw refuse('an address alone', 'one with a name or password', 'give the token by RAY_AUTH_TOKEN');
  }
  if (url.protocol === 'http:' && !/:\d+\//.test(rest.replace(/\/*$/, '/'))) url.port = String(PORT);
  return url;
}

/** The token that Ray's own programs would use: of RAY_AUTH_TOKEN, of the file RAY_AUTH_TOKEN_PATH, of ~/.ray/auth_token. */
export function rayToken(environment: NodeJS.ProcessEnv = process.env, home = homedir()): string | undefined {
  const { RAY_AUTH_TOKEN: token, RAY_AUTH_TOKEN_PATH: path } = environment;
  if (token !== undefined && token.trim() !== '') return token.trim();
  try {
    return readFileSync(path ?? join(home, '.ray', 'auth_token'), 'utf8').trim() || undefined;
  } catch {
    return undefined; // a cluster without tokens needs none; another one says so
  }
}

function isOlder(version: string, minimum: string): boolean {
  const numbers = (text: string): number[] =>
    text
      .split('.')
      .slice(0, 2)
      .map((part) => parseInt(part, 10) || 0);
  const [major = 0, minor = 0] = numbers(version);
  const [wantedMajor = 0, wantedMinor = 0] = numbers(minimum);
  return major < wantedMajor || (major === wantedMajor && minor < wantedMinor);
}
