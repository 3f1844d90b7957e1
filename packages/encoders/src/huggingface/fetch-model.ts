import { resolve } from 'node:path';
import { contentHash } from '@drf/files';
import { ConfigurationError, UnavailableError } from '@drf/tensor';
import { byFolder, HubClient, hubSettings, type HubSettings, type RemoteFile, type RemoteModel } from './hub-client.js';
import { COMMIT, downloadTo, type FetchedFile, ModelCache } from './hub-download.js';
import { CONVERT, OTHER_WEIGHTS, WEIGHTS_FILE, WEIGHTS_INDEX } from './load-encoder.js';
import { SENTENCE_FILES } from './pooling.js';
import { ALLOW_DOWNLOAD, assertNoPointers, parseModelName } from '../model-source.js';

/** Files of a model's folder that say how contents become its inputs; a model has some of them. */
export const PREPROCESSING_FILES = {
  image: ['preprocessor_config.json'],
  text: [
    'tokenizer.json',
    'tokenizer_config.json',
    'special_tokens_map.json',
    'added_tokens.json',
    'vocab.txt',
    'vocab.json',
    'merges.txt',
  ],
} as const;

/** Bytes of all files together, fetched and in all. */
export interface FetchProgress {
  readonly file: string;
  readonly bytes: number;
  readonly totalBytes: number;
}

/** Which commit, into what folder, and whether the network may be asked. */
export interface FetchModelOptions {
  /** Branch, tag or commit; default `main`. */
  readonly revision?: string;
  /** Default: as other Hugging Face tools, by `HF_HUB_CACHE`, `HF_HOME` or in the user's cache folder. */
  readonly cacheDir?: string;
  /** Never ask the hub; `HF_HUB_OFFLINE=1` says the same. */
  readonly localFilesOnly?: boolean;
  /** Called as bytes arrive. */
  readonly onProgress?: (progress: FetchProgress) => void;
  /** Where `HF_ENDPOINT`, `HF_TOKEN` and so on are read; default `process.env`. */
  readonly environment?: Readonly<Record<string, string | undefined>>;
  /** Before the first further attempt after a failure; doubles each time. Default 500. */
  readonly retryDelayMs?: number;
}

/** Where a model's files are. */
export interface ModelFiles {
  /** Hub id or absolute folder. */
  readonly name: string;
  readonly folder: string;
  /** The commit that the files are of, when they are the hub's. */
  readonly commit?: string;
}

/** Everything beside weights that an encoder may need; a model has some of them. */
const SMALL_FILES = ['config.json', ...PREPROCESSING_FILES.image, ...PREPROCESSING_FILES.text, ...SENTENCE_FILES];
const SHARD = /^model-\d{5}-of-\d{5}\.safetensors$/;

/** The files to fetch. @throws UnavailableError when a model has no configuration or no weights that can be read */
function chooseFiles(client: HubClient, { files }: RemoteModel): string[] {
  if (!files.includes('config.json')) {
    throw client.error(
      'the file config.json in the model',
      'no such file',
      'choose a model of Hugging Face transformers',
    );
  }
  const small = SMALL_FILES.filter((file) => files.includes(file));
  if (files.includes(WEIGHTS_FILE)) return [...small, WEIGHTS_FILE];
  if (files.includes(WEIGHTS_INDEX)) return [...small, WEIGHTS_INDEX, ...files.filter((file) => SHARD.test(file))];
  const other = OTHER_WEIGHTS.find((file) => files.includes(file));
  throw client.error(
    `the file ${WEIGHTS_FILE} or ${WEIGHTS_INDEX} in the model`,
    other === undefined ? 'no such file' : `${other} alone`,
    other === undefined ? 'choose a model with weights' : CONVERT,
  );
}

class ModelFetch {
  private bytes = 0;
  private totalBytes = 0;

  constructor(
    private readonly client: HubClient,
    private readonly cache: ModelCache,
    private readonly onProgress: FetchModelOptions['onProgress'],
  ) {}

  /** Fetches what is missing. @returns the commit */
  async run(revision: string): Promise<string> {
    const model = await this.client.describe();
    const names = chooseFiles(this.client, model);
    const remote: (readonly [string, RemoteFile])[] = [];
    for (const name of names) remote.push([name, await this.client.head(model.commit, name)]);
    this.totalBytes = remote.reduce((sum, [, { bytes = 0 }]) => sum + bytes, 0);
    const fetched: FetchedFile[] = [];
    for (const [name, file] of remote) fetched.push(await this.fetch(model.commit, name, file));
    await this.cache.keep(model.commit, revision, fetched);
    return model.commit;
  }

  private async fetch(commit: string, name: string, file: RemoteFile): Promise<FetchedFile> {
    const etag = file.etag ?? contentHash(commit, name).slice(0, 40);
    const onBytes = (bytes: number): void => {
      this.bytes += bytes;
      this.onProgress?.({ file: name, bytes: this.bytes, totalBytes: Math.max(this.totalBytes, this.bytes) });
    };
    if (file.bytes !== undefined && this.cache.has(commit, name, file.bytes)) {
      onBytes(file.bytes);
      return { name, bytes: file.bytes, etag };
    }
    const bytes = await downloadTo(this.client, { ...file, name, onBytes }, this.cache.blob(etag));
    const fetched = { name, bytes, etag };
    await this.cache.link(commit, fetched);
    return fetched;
  }
}

/** Whether a cached commit can be opened: all that was fetched by us, or else at least configuration and weights. */
async function isUsable(cache: ModelCache, commit: string): Promise<boolean> {
  if (await cache.isComplete(commit)) return true;
  const hasWeights = cache.has(commit, WEIGHTS_FILE) || cache.has(commit, WEIGHTS_INDEX);
  return cache.has(commit, 'config.json') && hasWeights;
}

function assertRevision(revision: string): void {
  if (/^\w[\w./-]*$/.test(revision) && !revision.includes('..')) return;
  throw new ConfigurationError({
    subject: 'fetchModel, revision,',
    expected: 'a branch, tag or commit',
    received: JSON.stringify(revision),
  });
}

function notCached(id: string, revision: string, { cacheDir, offline }: HubSettings): UnavailableError {
  const subject = `model ${id}`;
  const expected = `its revision "${revision}" in the cache ${cacheDir}`;
  if (offline) {
    const received = 'no such files, and the hub is not to be asked';
    const remedy = `unset HF_HUB_OFFLINE once, with a network, or ${byFolder(id)}`;
    return new UnavailableError({ subject, expected, received, remedy });
  }
  // a run may have been trained with a folder that was named from another one
  const received = `no such files, no folder ${resolve(id)}, and the hub is not to be asked`;
  const remedy = `${ALLOW_DOWNLOAD}; if ${id} is a folder, start where that path leads to it`;
  return new UnavailableError({ subject, expected, received, remedy });
}

/**
 * The files of a model: those of a folder, or those of a model of the Hugging Face hub, fetched when the cache lacks
 * them. Files in the cache are used without asking when the revision is a commit, and when the hub cannot be reached.
 * A fetch that was interrupted goes on where it stopped; files appear whole and as the hub's hashes say.
 * @param model a hub id ("google/vit-base-patch16-224-in21k"), or a folder
 * @throws ConfigurationError for what is neither an id nor a folder, and a revision that cannot be one;
 * UnavailableError for a folder of Git LFS pointers, no network, an unknown or gated model, an unknown revision, a model without safetensors
 */
export async function fetchModel(model: string, options: FetchModelOptions = {}): Promise<ModelFiles> {
  const { revision = 'main', environment = process.env } = options;
  const name = parseModelName(model, {
    subject: 'fetchModel',
    folderHolds: 'config.json and model.safetensors',
    exampleId: 'google/vit-base-patch16-224-in21k',
  });
  if ('folder' in name) {
    await assertNoPointers(name.folder);
    return { name: name.folder, folder: name.folder };
  }
  assertRevision(revision);
  const settings = hubSettings(environment);
  const cacheDir = options.cacheDir ?? settings.cacheDir;
  const cache = new ModelCache(cacheDir, name.id);
  const files = (commit: string): ModelFiles => ({ name: name.id, folder: cache.snapshot(commit), commit });
  const cached = await cache.commitOf(revision);
  const usable = cached !== undefined && (await isUsable(cache, cached)) ? cached : undefined;
  if (settings.offline || options.localFilesOnly === true) {
    if (usable !== undefined) return files(usable);
    throw notCached(name.id, revision, { ...settings, cacheDir });
  }
  if (usable !== undefined && COMMIT.test(revision) && (await cache.isComplete(usable))) return files(usable);
  const client = new HubClient(settings, name.id, revision, options.retryDelayMs);
  const fetched = await new ModelFetch(client, cache, options.onProgress).run(revision).catch((error: unknown) => {
    if (usable !== undefined && client.isNoNetwork(error)) return usable;
    throw error;
  });
  return files(fetched);
}
