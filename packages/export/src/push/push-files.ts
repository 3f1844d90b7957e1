import { createHash } from 'node:crypto';
import { lstat, readdir, readFile, stat } from 'node:fs/promises';
import { basename, join, relative, sep } from 'node:path';
import { readCard } from '@drf/judge';
import { CARD_FILE } from '@drf/judge/card';
import { MODEL_CARD_FILE, RunFolder } from '@drf/experiment';
import { bytesHash, ENSEMBLE_FILE, fileHash, readEnsemble, readJson, resolveInside } from '@drf/files';
import { ConfigurationError, DataError, refuser } from '@drf/tensor';

/** A file that goes to the hub. */
export interface PushFile {
  /** In the repository, with slashes. */
  readonly path: string;
  /** Where it lies here. */
  readonly source: string;
  /** What is sent in its place: the same without folders of this machine. */
  readonly text?: string;
  readonly bytes: number;
}

/** What of a folder goes to the hub, and what does not. */
export interface PushSelection {
  readonly kind: 'run' | 'export' | 'ensemble';
  readonly files: readonly PushFile[];
  /** Paths inside the folder that stay here. */
  readonly leftOut: readonly string[];
  /** What was changed on the way, one sentence each. */
  readonly notes: readonly string[];
}

/**
 * Chooses what of a run or an export goes to the hub: what is needed to judge with it, and its model card. Everything else
 * stays, unless it is named: lists of posts, texts of posts, predictions, reports that show posts, other checkpoints.
 * Folders of this machine that `config.json` names are cut down to their last part.
 * @param include further files, by their paths inside the folder
 * @throws DataError for a folder that is neither, a link in it, a file that is missing or leads out of it
 */
export async function selectPushFiles(folder: string, include: readonly string[] = []): Promise<PushSelection> {
  if (await isThere(join(folder, ENSEMBLE_FILE))) return selectEnsemble(folder, include);
  const isExport = await isThere(join(folder, CARD_FILE));
  const kind = isExport ? 'export' : 'run';
  const chosen = isExport ? await exportFiles(folder) : await runFiles(folder);
  const wanted = [...new Set([...chosen, ...(await included(folder, include))])].sort();
  const notes: string[] = [];
  const files: PushFile[] = [];
  for (const path of wanted) {
    const source = await ownFile(folder, path);
    const text = kind === 'run' && path === 'config.json' ? await withoutFolders(source, notes) : undefined;
    const bytes = text === undefined ? (await stat(source)).size : Buffer.byteLength(text);
    files.push({ path, source, bytes, ...(text === undefined ? {} : { text }) });
  }
  const sent = new Set(wanted);
  const leftOut = (await allFiles(folder)).filter((path) => !sent.has(path));
  return { kind, files, leftOut, notes };
}

/** `ensemble.json`, and of each member what would be sent of it alone. */
async function selectEnsemble(folder: string, include: readonly string[]): Promise<PushSelection> {
  await readEnsemble(folder); // refuses what is damaged, and members outside
  const { members } = (await readJson(join(folder, ENSEMBLE_FILE))) as {
    readonly members: readonly { path: string }[];
  };
  const files: PushFile[] = [];
  const notes: string[] = [];
  for (const { path } of members) {
    const member = join(folder, path);
    const name = relative(folder, member).split(sep).join('/');
    await assertOwnFolder(folder, name); // of a link, the hub would get another folder than ensemble.json names
    const selection = await selectPushFiles(member);
    files.push(...selection.files.map((file) => ({ ...file, path: `${name}/${file.path}` })));
    notes.push(...selection.notes.map((note) => `${name}: ${note}`));
  }
  const sent = new Set(files.map(({ path }) => path));
  const others = [ENSEMBLE_FILE, ...(await present(folder, [MODEL_CARD_FILE])), ...(await included(folder, include))];
  for (const path of new Set(others.filter((each) => !sent.has(each)))) {
    const source = await ownFile(folder, path);
    files.push({ path, source, bytes: (await stat(source)).size });
    sent.add(path);
  }
  files.sort((a, b) => (a.path < b.path ? -1 : 1));
  return { kind: 'ensemble', files, leftOut: (await allFiles(folder)).filter((path) => !sent.has(path)), notes };
}

async function isThere(path: string): Promise<boolean> {
  return (await stat(path).catch(() => undefined)) !== undefined;
}

async function present(folder: string, paths: readonly string[]): Promise<string[]> {
  const found = await Promise.all(paths.map((path) => isThere(join(folder, path))));
  return paths.filter((_, i) => found[i]);
}

/** The models that the card names, and what is needed to use them. */
async function exportFiles(folder: string): Promise<string[]> {
  const { files } = await readCard(folder); // refuses what is damaged
  const models = Object.keys(files).filter((name) => /^[\w.-]+\.onnx$/.test(name));
  const others = await present(folder, ['vocabulary.json', 'licenses.txt', MODEL_CARD_FILE]);
  return [CARD_FILE, ...models, ...others];
}

/** What `predict` and `serve` read of a run: its result, without the posts. */
async function runFiles(folder: string): Promise<string[]> {
  const run = await RunFolder.open(folder);
  await run.readDescription(); // refuses what is damaged
  const checkpoint = relative(run.path, await run.resultCheckpoint())
    .split(sep)
    .join('/');
  const others = await present(folder, ['best.json', 'calibration.json', 'metrics.jsonl', MODEL_CARD_FILE]);
  return ['config.json', checkpoint, ...others];
}

async function included(folder: string, include: readonly string[]): Promise<string[]> {
  const paths: string[] = [];
  for (const path of include) {
    const inside = relative(await resolveInside(folder, '.'), await resolveInside(folder, path));
    paths.push(inside.split(sep).join('/'));
  }
  return paths;
}

/** @throws DataError for a link, a folder, or nothing, at the path or on the way there */
async function ownFile(folder: string, path: string): Promise<string> {
  const parts = path.split('/');
  for (const end of parts.keys()) {
    const isLast = end === parts.length - 1;
    await assertOwn(join(folder, ...parts.slice(0, end + 1)), isLast ? 'file' : 'folder', `Pushing ${path}`);
  }
  return join(folder, ...parts);
}

/** @throws DataError for a link, a file, or nothing, at the path or on the way there */
async function assertOwnFolder(folder: string, path: string): Promise<void> {
  const parts = path.split('/');
  for (const end of parts.keys())
    await assertOwn(join(folder, ...parts.slice(0, end + 1)), 'folder', `Pushing ${path}`);
}

async function assertOwn(path: string, kind: 'file' | 'folder', subject: string): Promise<void> {
  const refuse = refuser(DataError, subject);
  const stats = await lstat(path).catch(() => undefined);
  if (stats?.isSymbolicLink() === true) {
    throw refuse('a file of the folder itself', `a link, ${path}`, 'put what it leads to in its place');
  }
  if (kind === 'file' ? stats?.isFile() === true : stats?.isDirectory() === true) return;
  throw refuse('a file in the folder', stats === undefined ? 'nothing there' : 'something else', 'name a file');
}

/** Paths of all files below a folder; links are listed, not followed. */
async function allFiles(folder: string, below = ''): Promise<string[]> {
  const paths: string[] = [];
  for (const entry of await readdir(join(folder, below), { withFileTypes: true })) {
    const path = below === '' ? entry.name : `${below}/${entry.name}`;
    if (entry.isDirectory()) paths.push(...(await allFiles(folder, path)));
    else paths.push(path);
  }
  return paths.sort();
}

/**
 * A path of this machine: absolute, in a home folder, on a drive, or an address of a file; before it, what kind of encoder
 * it is.
 */
const LOCAL_PATH = /^((?:huggingface|transformers):)?(?:\/|~[\\/]|[A-Za-z]:[\\/]|\\\\|file:)/;
/** Options that say where posts lie; nothing of them means anything elsewhere. */
const PLACES = new Set(['file', 'root', 'splits', 'trainSplit', 'valSplit', 'testSplit']);

/** A run's `config.json` in which folders of this machine are cut down to their last part. */
async function withoutFolders(path: string, notes: string[]): Promise<string> {
  const content = await readJson(path);
  const { config } = content as { readonly config: { readonly dataset?: object } };
  const changed: string[] = [];
  const cut = (value: unknown, name: string, isPlace: boolean): unknown => {
    if (typeof value === 'string') {
      const local = LOCAL_PATH.exec(value);
      if (local === null && !(isPlace && /[\\/]/.test(value))) return value;
      changed.push(name);
      return `${local?.[1] ?? ''}./${basename(value.replaceAll('\\', '/'))}`;
    }
    if (Array.isArray(value)) return value.map((each) => cut(each, name, isPlace));
    if (typeof value !== 'object' || value === null) return value;
    const entries = Object.entries(value).map(([key, own]) => {
      // names of classes may look like anything
      if (name === 'dataset' && key === 'labels') return [key, own] as const;
      return [key, cut(own, name === '' ? key : `${name}.${key}`, name === 'dataset' && PLACES.has(key))] as const;
    });
    return Object.fromEntries(entries);
  };
  const shortened = cut(config, '', false);
  if (changed.length === 0) return readFile(path, 'utf8');
  const names = [...new Set(changed)];
  notes.push(`config.json is sent without the folders of this machine that these options name: ${names.join(', ')}.`);
  const encoders = names.filter((name) => name.startsWith('encoders.'));
  if (encoders.length > 0) {
    notes.push(
      `The encoders ${encoders.join(', ')} are folders of this machine and are not sent: whoever uses the run needs them, under the same names, where it is used.`,
    );
  }
  return `${JSON.stringify({ ...(content as object), config: shortened }, null, 2)}\n`;
}

/**
 * The same files, the model card's front matter with a license.
 * @throws ConfigurationError for what is no id of a license, and without a card of ours
 */
export async function withLicense(files: readonly PushFile[], license: string): Promise<PushFile[]> {
  const refuse = refuser(ConfigurationError, 'push, license,');
  if (!/^[a-z0-9][a-z0-9.-]{0,60}$/.test(license)) {
    throw refuse('an id of the hub, such as apache-2.0, mit or cc-by-nc-4.0', JSON.stringify(license));
  }
  const card = files.find(({ path }) => path === MODEL_CARD_FILE);
  const text = card === undefined ? '' : (card.text ?? (await readFile(card.source, 'utf8')));
  const stated = text.replace(/^(---\n)license: .*\n(license_(?:name|link): .*\n)*/, `$1license: "${license}"\n`);
  if (card === undefined || stated === text) {
    throw refuse(`a ${MODEL_CARD_FILE} that begins with a license`, 'none', 'write the license into it yourself');
  }
  const words = stated.replace(
    /^- License of the trained weights: .*$/m,
    `- License of the trained weights: ${license}.`,
  );
  return files.map((file) => (file === card ? { ...file, text: words, bytes: Buffer.byteLength(words) } : file));
}

/** Larger files are not compared by git's hash: they are in LFS there. */
const GIT_BYTES = 64 * 1024 * 1024;

/** What the hub knows of a file. */
export interface RemoteHash {
  /** Git's, of the file or of what stands for it in git. */
  readonly oid?: string;
  readonly size: number;
  readonly lfs?: { readonly oid: string };
}

/** Whether the hub has the same content. */
export async function isSame({ source, text, bytes }: PushFile, remote: RemoteHash | undefined): Promise<boolean> {
  if (remote === undefined || remote.size !== bytes) return false;
  if (remote.lfs !== undefined) {
    const own = text === undefined ? await fileHash(source) : bytesHash(text);
    return own === remote.lfs.oid;
  }
  if (bytes > GIT_BYTES) return false;
  const content = text ?? (await readFile(source));
  return createHash('sha1').update(`blob ${bytes}\0`).update(content).digest('hex') === remote.oid;
}

/** An id of the hub, "owner/name". */
const REPOSITORY = /^[A-Za-z0-9][\w.-]{0,95}\/[A-Za-z0-9][\w.-]{0,95}$/;

/** @throws ConfigurationError for what the hub could not call a repository */
export function assertRepository(repository: string): void {
  if (REPOSITORY.test(repository) && !/--|\.\.|\.git$/.test(repository)) return;
  throw refuser(ConfigurationError, 'push')(
    'a repository of the hub, owner/name, of letters, digits, "-", "_" and "."',
    JSON.stringify(repository),
    'name it such as me/my-model',
  );
}
