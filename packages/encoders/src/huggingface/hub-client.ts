import { setTimeout as wait } from 'node:timers/promises';
import { UnavailableError } from '@drf/tensor';
import type { HubSettings } from './hub-settings.js';

/** What of the hub's answers matters here. */
export interface RemoteFile {
  /** Where to fetch it, for this commit. */
  readonly url: string;
  readonly etag?: string;
  readonly bytes?: number;
}

export interface RemoteModel {
  readonly commit: string;
  readonly files: readonly string[];
}

const MAXIMUM_ATTEMPTS = 4;
const ASK_TIMEOUT_MS = 30_000;
const MAXIMUM_REDIRECTS = 5;
/** Busy or out of order for now. */
const PASSING = new Set([408, 429, 500, 502, 503, 504]);

/** Asks the hub about one model. */
export class HubClient {
  private unreached: UnavailableError | undefined;

  constructor(
    private readonly settings: HubSettings,
    private readonly id: string,
    private readonly revision: string,
    private readonly retryDelayMs = 500,
  ) {}

  /** Commit and file names of the revision. @throws UnavailableError saying why the hub gives none */
  async describe(): Promise<RemoteModel> {
    const url = `${this.settings.endpoint}/api/models/${this.id}/revision/${encodeURIComponent(this.revision)}`;
    const response = await this.ask(url, { signal: AbortSignal.timeout(ASK_TIMEOUT_MS) });
    const { sha, siblings } = ((await response.json().catch(() => ({}))) ?? {}) as Record<string, unknown>;
    if (typeof sha !== 'string' || !/^[0-9a-f]{40}$/.test(sha) || !Array.isArray(siblings)) {
      throw this.error(
        'a description of the model',
        `something else from ${this.settings.endpoint}`,
        'check HF_ENDPOINT',
      );
    }
    return { commit: sha, files: siblings.map((each) => String((each as { rfilename?: unknown })?.rfilename)) };
  }

  /** Etag and length of a file, without fetching it. Redirects within the hub are followed, to storage are not. */
  async head(commit: string, file: string): Promise<RemoteFile> {
    const url = `${this.settings.endpoint}/${this.id}/resolve/${commit}/${file}`;
    let at = url;
    for (let step = 0; step < MAXIMUM_REDIRECTS; step++) {
      const response = await this.ask(at, {
        method: 'HEAD',
        redirect: 'manual',
        signal: AbortSignal.timeout(ASK_TIMEOUT_MS),
      });
      const location = response.headers.get('location');
      if (response.status < 300 || location === null || !location.startsWith('/')) return described(url, response);
      at = `${new URL(at).origin}${location}`;
    }
    throw this.error(`the file ${file}`, 'redirects without end', 'check HF_ENDPOINT');
  }

  /** The bytes of a file from a place on; status 206 says that the place was respected. */
  async get(url: string, from: number): Promise<Response> {
    return this.ask(url, from > 0 ? { headers: { range: `bytes=${from}-` } } : {});
  }

  /** Waits before another attempt; false when there were enough. */
  async mayTryAgain(attempt: number): Promise<boolean> {
    if (attempt >= MAXIMUM_ATTEMPTS) return false;
    await wait(this.retryDelayMs * 2 ** (attempt - 1));
    return true;
  }

  error(expected: string, received: string, remedy: string, cause?: unknown): UnavailableError {
    return new UnavailableError({ subject: `model ${this.id}`, expected, received, remedy }, { cause });
  }

  /** @throws UnavailableError for no network and for every status that is no success or redirect */
  private async ask(url: string, options: RequestInit): Promise<Response> {
    const { token } = this.settings;
    const headers = new Headers(options.headers);
    headers.set('accept-encoding', 'identity'); // lengths are those of the files
    if (token !== undefined) headers.set('authorization', `Bearer ${token}`);
    for (let attempt = 1; ; attempt++) {
      const answer = await fetch(url, { ...options, headers }).catch((error: unknown) => error as Error);
      if (answer instanceof Error) {
        if (!(await this.mayTryAgain(attempt))) throw this.noNetwork(answer);
      } else if (answer.status < 400) {
        return answer;
      } else {
        await answer.body?.cancel();
        if (!PASSING.has(answer.status) || !(await this.mayTryAgain(attempt))) throw this.refused(answer);
      }
    }
  }

  /** For requests that got no answer. */
  noNetwork(error: Error): UnavailableError {
    const cause = error.cause instanceof Error ? error.cause : undefined;
    const reason = (cause as NodeJS.ErrnoException | undefined)?.code ?? cause?.message ?? error.name;
    const remedy =
      'check the network (with a proxy: NODE_USE_ENV_PROXY=1), or copy the model to a folder and name that folder';
    const received = `${error.message} (${reason})`;
    const expected = `an answer of the Hugging Face hub at ${this.settings.endpoint}`;
    this.unreached = this.error(expected, received, remedy, error);
    return this.unreached;
  }

  /** Whether an error says that the hub was out of reach. */
  isNoNetwork(error: unknown): boolean {
    return error === this.unreached;
  }

  private refused({ status, headers }: Response): UnavailableError {
    const code = headers.get('x-error-code');
    if (code === 'RevisionNotFound') {
      const remedy = 'check the revision: a branch, a tag or a commit';
      return this.error(`the revision "${this.revision}" on the hub`, 'no such revision', remedy);
    }
    if (code === 'GatedRepo') {
      const remedy = 'accept its conditions on its page, and set HF_TOKEN to a token of that account';
      return this.error('a model that anyone may read', 'a gated model', remedy);
    }
    if (code === 'RepoNotFound' || [401, 403, 404].includes(status)) {
      const received = `no such model, or one that needs a token (status ${status})`;
      return this.error(
        'a model of this name on the hub',
        received,
        'check the id, or set HF_TOKEN for a private model',
      );
    }
    return this.error('an answer of the hub', `status ${status}`, 'try again later');
  }
}

function described(url: string, { headers }: Response): RemoteFile {
  const etag = (headers.get('x-linked-etag') ?? headers.get('etag'))?.replace(/^W\//, '').replaceAll('"', '');
  const length = headers.get('x-linked-size') ?? headers.get('content-length');
  const bytes = length !== null && /^\d+$/.test(length) ? Number(length) : undefined;
  return { url, etag: etag !== undefined && /^\w[\w.-]*$/.test(etag) ? etag : undefined, bytes };
}
