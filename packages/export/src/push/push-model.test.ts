import { mkdir, readFile, rename, symlink, writeFile } from 'node:fs/promises';
import { join } from 'node:path';
import { describe, expect, it } from 'vitest';
import { RunFolder } from '@drf/experiment';
import { DataError } from '@drf/tensor';
import { fileHash, writeEnsemble, writeJsonAtomic, type EnsembleMember } from '@drf/files';
import { exportRun } from '../export-run.js';
import { HUB_TOKEN, makeTinyRun, startPushHub, temporaryFolder, type PushHub } from '../testing/index.js';
import { pushModel, type PushOptions, type PushProgress } from './push-model.js';

const REPOSITORY = 'me/my-model';
const SECRET = '/home/someone/secret';

/** A run with all that trainings and evaluations leave in one, over posts of a folder of this machine. */
async function runWithPosts(): Promise<string> {
  const folder = await temporaryFolder();
  const run = await makeTinyRun(join(folder, 'run'), { encoders: { image: `transformers:${SECRET}`, text: `${SECRET}/bert` }, encoderIds: { image: 'transformers:image::0123', text: 'huggingface:text::0123' } }); // prettier-ignore
  const description = await run.readDescription();
  const dataset = { ...description.config.dataset, name: 'posts', file: [`${SECRET}/a.csv`, '../b.csv'], root: SECRET, labels: { rename: { '/r/good': 'good' } } }; // prettier-ignore
  await writeJsonAtomic(run.file('config.json'), { ...description, classes: ['/r/good', 'bad', 'x'], config: { ...description.config, dataset } }); // prettier-ignore
  await writeFile(run.file('checkpoints', 'step-1.safetensors'), 'of an earlier epoch');
  await run.writeBest({ checkpoint: 'step-3.safetensors', epoch: 1, step: 3, score: 0, selection: 'last' });
  for (const name of [
    'ledger.json',
    'rejected.jsonl',
    'posts.json',
    'manifest.jsonl',
    'report.html',
    'eval/test/predictions.jsonl',
    'splits/train.json',
    'README.md',
  ]) {
    // prettier-ignore
    await mkdir(join(run.file(name), '..'), { recursive: true });
    await writeFile(run.file(name), `${name} of ${SECRET}`);
  }
  await writeFile(run.file('README.md'), '# A model\n');
  return run.path;
}

const push = (folder: string, hub: PushHub, options: PushOptions = {}) =>
  pushModel(folder, REPOSITORY, { token: HUB_TOKEN, endpoint: hub.endpoint, retryDelayMs: 1, ...options });

const filesOf = (hub: PushHub, branch = 'main'): Map<string, Buffer> =>
  hub.repositories.get(REPOSITORY)?.branches.get(branch) ?? new Map();

describe('pushModel', () => {
  it('sends what judging needs of a run, and nothing of its posts or of this machine', async () => {
    const [hub, run] = [await startPushHub(), await runWithPosts()];
    const progress: PushProgress[] = [];
    const result = await push(run, hub, { isPrivate: true, onProgress: (each) => void progress.push(each) });
    expect([...filesOf(hub).keys()].sort()).toEqual(['.gitattributes', 'README.md', 'best.json', 'checkpoints/step-3.safetensors', 'config.json']); // prettier-ignore
    expect(result).toMatchObject({
      kind: 'run',
      commit: expect.stringMatching(/^[0-9a-f]{40}$/) as string,
      unchanged: [],
    });
    expect(result.leftOut).toContain('eval/test/predictions.jsonl');
    expect(hub.repositories.get(REPOSITORY)).toMatchObject({ isPrivate: true, commits: ['Push run'] });
    expect(filesOf(hub).get('checkpoints/step-3.safetensors')).toEqual(await readFile(join(run, 'checkpoints/step-3.safetensors'))); // prettier-ignore
    for (const [name, content] of filesOf(hub)) expect(`${name}: ${content.toString('latin1')}`).not.toContain('/home/someone'); // prettier-ignore
    expect(result.notes.join('\n')).toMatch(/dataset\.root, dataset\.file, encoders\.image, encoders\.text|encoders\.text.*are not sent/s); // prettier-ignore
    const config = JSON.parse(String(filesOf(hub).get('config.json'))) as {
      classes: string[];
      config: { dataset: object };
    };
    expect(config.classes[0]).toBe('/r/good');
    expect(config.config).toMatchObject({ encoders: { image: 'transformers:./secret', text: './bert' } });
    expect(config.config.dataset).toMatchObject({ file: ['./a.csv', './b.csv'], root: './secret', labels: { rename: { '/r/good': 'good' } } }); // prettier-ignore
    expect(progress.at(-1)).toMatchObject({ totalBytes: result.sent.reduce((sum, { bytes }) => sum + bytes, 0) });
  });

  it('sends a run that opens where it arrives', async () => {
    const [hub, folder] = [await startPushHub(), await temporaryFolder()];
    const run = await makeTinyRun(join(folder, 'run'));
    await push(run.path, hub);
    for (const [name, content] of filesOf(hub)) {
      await mkdir(join(folder, 'there', name, '..'), { recursive: true });
      await writeFile(join(folder, 'there', name), content);
    }
    const arrived = await RunFolder.open(join(folder, 'there'));
    expect(await arrived.readDescription()).toEqual(await run.readDescription());
    expect(await arrived.resultCheckpoint()).toMatch(/step-3\.safetensors$/);
  });

  it('sends an export whole, and only what changed the next time', async () => {
    const [hub, folder] = [await startPushHub(), await temporaryFolder()];
    const out = join(folder, 'exported');
    await exportRun((await makeTinyRun(join(folder, 'run'))).path, { out });
    await writeFile(join(out, 'notes.txt'), 'mine');
    const first = await push(out, hub);
    expect(first.sent.map(({ path }) => path)).toEqual(['README.md', 'card.json', 'head.onnx']);
    expect(first.leftOut).toEqual(['notes.txt']);
    hub.requests.length = 0;
    expect(await push(out, hub)).toMatchObject({
      commit: null,
      sent: [],
      unchanged: ['README.md', 'card.json', 'head.onnx'],
    });
    expect(hub.requests).toEqual([`POST /api/models/${REPOSITORY}/paths-info/main`]);
    await writeFile(join(out, 'README.md'), '# Changed\n');
    const third = await push(out, hub, { message: 'Better words', include: ['notes.txt'] });
    expect(third.sent.map(({ path }) => path)).toEqual(['README.md', 'notes.txt']);
    const licensed = await push(out, hub, { license: 'mit' }).catch((error: Error) => error.message);
    expect(licensed).toMatch(/expected a README.md that begins with a license/);
    await exportRun((await makeTinyRun(join(folder, 'run'))).path, { out: join(folder, 'again') });
    await push(join(folder, 'again'), hub, { license: 'cc-by-nc-4.0', revision: 'licensed' });
    const card = String(filesOf(hub, 'licensed').get('README.md'));
    expect(card).toMatch(
      /^---\nlicense: "cc-by-nc-4.0"\nlibrary_name: [^]*- License of the trained weights: cc-by-nc-4.0\./,
    );
    expect(hub.repositories.get(REPOSITORY)?.commits.slice(0, 2)).toEqual(['Push export', 'Better words']);
  });

  it('sends of an ensemble what it sends of its members', async () => {
    const [hub, folder] = [await startPushHub(), await temporaryFolder()];
    const members: EnsembleMember[] = [];
    for (const name of ['fold1', 'fold2']) {
      const run = await makeTinyRun(join(folder, 'folds', name));
      await writeFile(run.file('posts.json'), '{}');
      members.push({ folder: run.path, sha256: await fileHash(await run.resultCheckpoint()) });
    }
    await writeEnsemble(join(folder, 'folds'), members);
    const { kind, leftOut } = await push(join(folder, 'folds'), hub);
    expect([kind, leftOut]).toEqual(['ensemble', ['fold1/posts.json', 'fold2/posts.json']]);
    expect([...filesOf(hub).keys()].sort()).toEqual(['.gitattributes', 'ensemble.json', ...['fold1', 'fold2'].flatMap((name) => [`${name}/checkpoints/step-3.safetensors`, `${name}/config.json`])]); // prettier-ignore
    await rename(join(folder, 'folds', 'fold2'), join(folder, 'folds', 'elsewhere'));
    await symlink(join(folder, 'folds', 'elsewhere'), join(folder, 'folds', 'fold2'));
    await expect(push(join(folder, 'folds'), hub)).rejects.toThrow(
      /expected a file of the folder itself, received a link, .*fold2/,
    );
  });

  it('goes on after an interruption without sending large files again', async () => {
    const [hub, run] = [await startPushHub(), await runWithPosts()];
    const controller = new AbortController();
    hub.onRequest = (request) => void (request.includes('/commit/') && controller.abort());
    await expect(push(run, hub, { signal: controller.signal })).rejects.toThrow(/abort/i);
    hub.onRequest = () => undefined;
    hub.requests.length = 0;
    await push(run, hub);
    expect(hub.requests.filter((request) => request.includes('/storage/'))).toEqual([]);
    expect(filesOf(hub).size).toBe(5);
  });

  it('makes a branch that is not there', async () => {
    const [hub, run] = [await startPushHub(), await runWithPosts()];
    await push(run, hub);
    expect(await push(run, hub, { revision: 'v2', include: ['splits/train.json'] })).toMatchObject({ sent: [{ path: 'splits/train.json' }] }); // prettier-ignore
    expect([filesOf(hub).size, filesOf(hub, 'v2').size]).toEqual([5, 6]);
  });

  it.each(['paths-info', 'preupload', 'lfs/objects/batch', 'storage', 'commit'])('tries again after errors of the server that pass: %s', async (path) => {
    const [hub, run] = [await startPushHub(), await runWithPosts()];
    hub.failing = { status: 503, times: 2, path };
    await push(run, hub);
    expect(filesOf(hub).size).toBe(5);
    expect(hub.repositories.get(REPOSITORY)?.commits).toHaveLength(1);
  }); // prettier-ignore

  it('says what to do when the hub refuses, and never the token', async () => {
    const [hub, run] = [await startPushHub(), await runWithPosts()];
    const failure = (options: PushOptions, repository = REPOSITORY): Promise<string> =>
      pushModel(run, repository, { token: HUB_TOKEN, endpoint: hub.endpoint, retryDelayMs: 1, ...options }).then(
        () => expect.fail('it was sent'),
        (error: Error) => `${error.message} ${JSON.stringify(error)}`,
      );
    const wrong = 'hf_somebodyElses';
    expect(await failure({ token: wrong })).toMatch(
      /expected a token that it knows, received status 401, Invalid username/,
    );
    expect(await failure({}, 'stranger/model')).toMatch(/expected a token that may write there, received status 403/);
    hub.failing = { status: 500, times: 99, path: '/commit/' };
    expect(await failure({})).toMatch(/expected a commit, received status 500/);
    hub.failing = { status: 400, times: 99, path: '/preupload/' };
    expect(await failure({})).toMatch(/expected a commit, received status 400, not now/);
    expect(await failure({ endpoint: 'http://127.0.0.1:1' })).toMatch(
      /expected an answer, received .*(ECONNREFUSED|fetch failed|bad port)/,
    );
    for (const token of ['secret', '', undefined]) {
      const message = await failure({ token });
      expect(message).toMatch(/expected a token of the hub/);
      expect(message).not.toContain('"secret"');
    }
    for (const options of [{ token: wrong }, {}]) expect(await failure(options)).not.toMatch(new RegExp(`${HUB_TOKEN}|${wrong}`)); // prettier-ignore
  });

  it('sends nothing that a link leads to, and nothing from outside', async () => {
    const [hub, run] = [await startPushHub(), await runWithPosts()];
    const attempt = (include: string[]) => push(run, hub, { include });
    await expect(attempt(['../run-2/x'])).rejects.toThrow(/expected a path inside/);
    await expect(attempt(['eval'])).rejects.toThrow(/expected a file in the folder, received something else/);
    await expect(attempt(['none.txt'])).rejects.toThrow(/expected a file in the folder, received nothing there/);
    await symlink(join(run, 'posts.json'), join(run, 'calibration.json'));
    await expect(attempt([])).rejects.toThrow(/expected a file of the folder itself, received a link/);
    expect(hub.requests).toEqual([]);
  });

  it.each(['null', '{"files":5}', '[]', '{'])('sends nothing of an export whose card is %s', async (card) => {
    const [hub, folder] = [await startPushHub(), await temporaryFolder()];
    await writeFile(join(folder, 'card.json'), card);
    await expect(push(folder, hub)).rejects.toThrow(DataError);
    expect(hub.requests).toEqual([]);
  });

  it('tells without asking anybody what it would send', async () => {
    const [hub, run] = [await startPushHub(), await runWithPosts()];
    const { sent, commit } = await pushModel(run, REPOSITORY, { endpoint: hub.endpoint, dryRun: true });
    expect([sent.length, commit, hub.requests]).toEqual([4, null, []]);
  });

  it.each([
    ['no/such/name', {}, /expected a repository of the hub, owner\/name/],
    ['name', {}, /expected a repository of the hub/],
    ['me/../x', {}, /expected a repository of the hub/],
    [REPOSITORY, { endpoint: 'http://hub.example' }, /expected an address that begins with https:/],
    [REPOSITORY, { endpoint: 'https://me:secret@hub.example' }, /received one with a password \(not shown\)/],
    [REPOSITORY, { endpoint: 'file:///etc' }, /expected an address such as/],
    [REPOSITORY, { revision: '../x' }, /expected a branch/],
  ])('refuses %s %j', async (repository, options, message) => {
    const folder = await temporaryFolder();
    await expect(pushModel(folder, repository, options)).rejects.toThrow(message);
  });
});
