import { pathToFileURL } from 'node:url';
import { parseHubEndpoint, RefusedError, retryRequest } from '@drf/files';
import { ConfigurationError, refuser, UnavailableError } from '@drf/tensor';
import {
  assertRepository,
  isSame,
  selectPushFiles,
  withLicense,
  type PushFile,
  type RemoteHash,
} from './push-files.js';

/** What is sent, and where to. */
export interface PushOptions {
  /** Who sends: a token of the hub that may write. Not needed for a dry run. */
  readonly token?: string | undefined;
  /** Default `https://huggingface.co`. */
  readonly endpoint?: string | undefined;
  /** Branch; one that is not there is made from `main`. Default `main`. */
  readonly revision?: string;
  /** Of the commit. */
  readonly message?: string | undefined;
  /** Of the weights, for the model card: an id that the hub knows, such as `apache-2.0`. */
  readonly license?: string | undefined;
  /** Of a repository that this call makes: private. Default: as its owner has it by default. One that is there stays. */
  readonly isPrivate?: boolean;
  /** Further files, by their paths inside the folder. */
  readonly include?: readonly string[] | undefined;
  /** Chooses and says what would be sent, and asks the hub nothing. */
  readonly dryRun?: boolean;
  readonly signal?: AbortSignal;
  /** Called as files are hashed and sent. */
  readonly onProgress?: (progress: PushProgress) => void;
  /** Before the first further attempt after a failure; doubles each time. Default 500. */
  readonly retryDelayMs?: number;
}

/** How far the sending is. */
export interface PushProgress {
  readonly bytes: number;
  readonly totalBytes: number;
  readonly file: string;
}

/** What was sent. */
export interface PushResult {
  readonly kind: 'run' | 'export' | 'ensemble';
  readonly repository: string;
  readonly revision: string;
  /** Where it can be seen. */
  readonly url: string;
  /** null of a dry run, and where the hub had all of it already. */
  readonly commit: string | null;
  readonly sent: readonly { readonly path: string; readonly bytes: number }[];
  /** Files that the hub had already. */
  readonly unchanged: readonly string[];
  /** Files of the folder that stay here. */
  readonly leftOut: readonly string[];
  readonly notes: readonly string[];
}

const ENDPOINT = 'https://huggingface.co';

/**
 * Sends a run, an export or an ensemble of these to a repository of the Hugging Face hub, which is made if there is none: what is needed to
 * judge with it, and its model card. Files that the hub has already are not sent again, so that a push that was
 * interrupted goes on, and a second one does nothing.
 *
 * ```ts
 * await pushModel('exported', 'me/my-model', { token: process.env.HF_TOKEN });
 * ```
 * @throws DataError for a folder that is neither, and for links in it; ConfigurationError for a name that is none, a token
 *   that is none, and an address without encryption; UnavailableError when the hub cannot be reached or refuses; the
 *   signal's reason when aborted
 */
export async function pushModel(folder: string, repository: string, options: PushOptions = {}): Promise<PushResult> {
  assertRepository(repository);
  const { endpoint: given = ENDPOINT, revision = 'main', include = [], dryRun = false, signal } = options;
  const { endpoint, isPrivate: isPrivateWay } = parseHubEndpoint(given, 'push, endpoint,');
  if (!isPrivateWay) {
    const refuse = refuser(ConfigurationError, 'push, endpoint,');
    throw refuse('an address that begins with https://', endpoint, 'the token would be sent where others can read it');
  }
  assertRevision(revision);
  const { kind, files: chosen, leftOut, notes } = await selectPushFiles(folder, include);
  const { license } = options;
  const files = license === undefined ? chosen : await withLicense(chosen, license);
  signal?.throwIfAborted();
  const result = { kind, repository, revision, url: `${endpoint}/${repository}`, leftOut, notes };
  const listed = (some: readonly PushFile[]): PushResult['sent'] => some.map(({ path, bytes }) => ({ path, bytes }));
  if (dryRun) return { ...result, commit: null, sent: listed(files), unchanged: [] };
  const token = assertToken(options.token);
  const hub = new PushClient(repository, { ...options, endpoint, revision, token });
  const remote = await hub.hashes(files.map(({ path }) => path));
  const isUnchanged = await Promise.all(files.map((file) => isSame(file, remote.get(file.path))));
  const changed = files.filter((_, i) => isUnchanged[i] !== true);
  const unchanged = files.filter((_, i) => isUnchanged[i] === true).map(({ path }) => path);
  if (changed.length === 0) return { ...result, commit: null, sent: [], unchanged };
  const commit = await hub.commit(changed, options.message ?? `Push ${kind}`);
  return { ...result, commit, sent: listed(changed), unchanged };
}

function assertRevision(revision: string): void {
  if (/^\w[\w./-]*$/.test(revision) && !revision.includes('..')) return;
  throw refuser(ConfigurationError, 'push, revision,')('a branch', JSON.stringify(revision));
}

function assertToken(token: string | undefined): string {
  const remedy =
    'make one that may write at https://huggingface.co/settings/tokens; give it by HF_TOKEN or --token-file';
  const refuse = refuser(ConfigurationError, 'push');
  if (token === undefined || token === '') throw refuse('a token of the hub', 'none', remedy);
  if (/^hf_\w+$/.test(token)) return token;
  throw refuse('a token of the hub, which begins with hf_', 'another text (not shown)', remedy); // it may be a secret
}

interface ClientOptions extends PushOptions {
  readonly endpoint: string;
  readonly revision: string;
  readonly token: string;
}

/** For questions and short answers. */
const ASK_TIMEOUT_MS = 60_000;

/** The hub, by its official library, with retries, one signal, and errors that say what to do and no secret. */
class PushClient {
  constructor(
    private readonly repository: string,
    private readonly options: ClientOptions,
  ) {}

  /** What the hub knows of files, by path; makes the repository and the branch where they are not there. */
  async hashes(paths: readonly string[]): Promise<ReadonlyMap<string, RemoteHash>> {
    const { createBranch, createRepo, pathsInfo } = await import('@huggingface/hub');
    const { revision, isPrivate } = this.options;
    const ask = () => pathsInfo({ ...this.common(), paths: [...paths], revision });
    let found = await this.asked(ask, { unless: 404 });
    if (found === undefined) {
      const visibility = isPrivate === true ? { visibility: 'private' as const } : {};
      await this.asked(() => createRepo({ ...this.common(), ...visibility }), { unless: 409 }); // there already
      if (revision !== 'main') {
        await this.asked(() => createBranch({ ...this.common(), branch: revision }), { unless: 409 });
      }
      found = await this.asked(ask, { unless: 404 }); // of a repository without a commit
    }
    return new Map((found ?? []).map((each) => [each.path, each]));
  }

  /** Sends files as one commit. @returns its id */
  async commit(files: readonly PushFile[], title: string): Promise<string> {
    const { commitIter } = await import('@huggingface/hub');
    const { revision, signal, onProgress } = this.options;
    const sizes = new Map(files.map(({ path, bytes }) => [path, bytes]));
    const totalBytes = files.reduce((sum, { bytes }) => sum + bytes, 0);
    const shares = new Map<string, number>();
    const send = async (): Promise<string> => {
      const events = commitIter({
        ...this.common(),
        title,
        branch: revision,
        operations: files.map(({ path, source, text }) => ({
          operation: 'addOrUpdate' as const,
          path,
          content: text === undefined ? pathToFileURL(source) : new Blob([text]),
        })),
        ...(signal === undefined ? {} : { abortSignal: signal }),
        useXet: false, // Git LFS, which the tests' hub speaks, too
      });
      for (;;) {
        const { done, value } = await events.next();
        if (done === true) return value?.commit.oid ?? '';
        if (value.event !== 'fileProgress' || value.state !== 'uploading') continue;
        shares.set(value.path, value.progress);
        const bytes = [...shares].reduce((sum, [path, share]) => sum + share * (sizes.get(path) ?? 0), 0);
        onProgress?.({ bytes: Math.round(bytes), totalBytes, file: value.path });
      }
    };
    return (await this.asked(send)) ?? '';
  }

  private common() {
    const { endpoint, token } = this.options;
    const repo = { type: 'model', name: this.repository } as const;
    return { repo, hubUrl: endpoint, accessToken: token, fetch: this.fetch };
  }

  /** Again after what may pass; a large file has all the time that it needs. */
  private readonly fetch: typeof fetch = async (input, init) => {
    const { signal, retryDelayMs: delayMs } = this.options;
    const isFile = init?.body instanceof Blob;
    const attempt = async (): Promise<Response> => {
      const signals = [signal, init?.signal, isFile ? undefined : AbortSignal.timeout(ASK_TIMEOUT_MS)];
      const given = signals.filter((each) => each instanceof AbortSignal);
      const response = await fetch(input, { ...init, ...(given.length > 0 ? { signal: AbortSignal.any(given) } : {}) });
      if (response.ok) return response;
      // read here, so that no refused answer holds its connection
      const { status, headers } = response;
      const refused = new RefusedError(new Response(await response.text(), { status, headers }));
      if (refused.isPassing) throw refused;
      return refused.response;
    };
    const options = { ...(signal === undefined ? {} : { signal }), ...(delayMs === undefined ? {} : { delayMs }) };
    return retryRequest(attempt, options).catch((error: unknown) => {
      if (error instanceof RefusedError) return error.response;
      throw error;
    });
  };

  /** @param unless a status that is no failure: the result is undefined then */
  private async asked<T>(ask: () => Promise<T>, { unless }: { readonly unless?: number } = {}): Promise<T | undefined> {
    const { signal } = this.options;
    const { HubApiError } = await import('@huggingface/hub');
    try {
      return await ask();
    } catch (error) {
      signal?.throwIfAborted();
      if (error instanceof HubApiError && error.statusCode === unless) return undefined;
      throw this.explained(error, error instanceof HubApiError ? error.statusCode : undefined);
    }
  }

  private explained(error: unknown, status: number | undefined): UnavailableError {
    const { endpoint, token, revision } = this.options;
    const message = error instanceof Error ? causeOf(error) : String(error);
    const received = `${status === undefined ? '' : `status ${status}, `}${message}`.replaceAll(token, '(token)');
    const refuse = refuser(UnavailableError, `Hub ${endpoint}, ${this.repository}`);
    switch (status) {
      case undefined:
        return refuse('an answer', received, 'check the network and the endpoint; what was sent is not sent again');
      case 401:
        return refuse('a token that it knows', received, 'make a new one at https://huggingface.co/settings/tokens');
      case 403:
        return refuse('a token that may write there', received, 'check the owner’s name, and what the token may do');
      case 404:
        return refuse(`the branch ${revision}`, received, 'check its name');
      case 412:
        return refuse('nobody else’s commit meanwhile', received, 'push again');
      default:
        return refuse('a commit', received, 'try again later; what was sent is not sent again');
    }
  }
}

/** "fetch failed" says nothing; its cause does. */
function causeOf(error: Error): string {
  return error.cause instanceof Error ? `${error.message}: ${error.cause.message}` : error.message;
}
