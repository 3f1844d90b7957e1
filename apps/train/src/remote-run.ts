import { rm } from 'node:fs/promises';
import { basename, join } from 'node:path';
import { assertUnlocked, cacheFolder, contentHash, type Storage } from '@drf/files';
import { abortUploads, fetchInto, FolderMirror, openStorage } from '@drf/storage';
import { ConfigurationError, refuser } from '@drf/tensor';
import { spell, startJob } from '@drf/terminal';

/** Locks and half-written files, which are this machine's own affair. */
const IGNORED = /(^|\/)run\.lock(\.guard)?$|\.\d{1,10}$/;
/** What tells a run, or the folds of one, from other things. */
const OF_RUN = /^(fold\d+\/)?(config\.json|checkpoints\/step-\d+\.safetensors)$/;
const CHECKPOINT = /(?:^|\/)(?:fold(\d+)\/)?checkpoints\/step-(\d+)\.safetensors$/;
const MEGABYTE = 1024 * 1024;

/** A run in object storage: it is trained in a folder below the cache, from which all of it is copied there. */
export interface RemoteRun {
  /** Of this machine. */
  readonly folder: string;
  /** Copies in the background what has changed; a failure is told, and mended by the next copy. */
  checkpoint(): void;
  /**
   * Copies the rest, and removes the folder.
   * @throws UnavailableError and others when the storage fails: the folder stays, and `--resume` copies it
   */
  finish(): Promise<void>;
  /** After an error: copies what there is to go on with, if anything; the folder stays. */
  giveUp(): Promise<void>;
  /** A text with the location in the folder's place. */
  shown(text: string): string;
}

interface RemoteOptions {
  readonly resume: boolean;
  readonly overwrite: boolean;
  readonly silent: boolean;
}

/**
 * Prepares the training of a run in object storage. One that goes on is fetched first, unless this machine has more of it
 * than the storage, as it does when the storage failed.
 * @throws ConfigurationError where a new run would replace something; DataError where there is no run to go on with
 */
export async function openRemoteRun(location: string, options: RemoteOptions): Promise<RemoteRun> {
  const storage = await openStorage(location);
  const folder = join(cacheFolder(), 'runs', contentHash(storage.location).slice(0, 16), basename(storage.location));
  const say = (text: string): void => void (options.silent || process.stderr.write(`${text}\n`));
  for await (const { path } of (await openStorage(folder)).list()) {
    if (path.endsWith('run.lock')) await assertUnlocked(join(folder, path), `Run ${storage.location}`);
  }
  const isCopy = options.resume ? await fetchRun(storage, folder, options) : false;
  if (!options.resume) await assertFree(storage, options.overwrite);
  const mirror = await FolderMirror.start(folder, storage, isCopy, {
    isIgnored: (path) => IGNORED.test(path),
    // they name other files, so they come when those are there
    rankOf: (path) => ['best.json', 'ensemble.json'].indexOf(basename(path)) + 1,
  });
  let hasCheckpoint = options.resume;
  return {
    folder,
    checkpoint: () => {
      hasCheckpoint = true;
      mirror
        .update()
        .catch((error: Error) => say(`note: not copied yet, the next checkpoint tries again: ${error.message}`));
    },
    finish: async () => {
      try {
        await mirror.update();
        await abortUploads(storage); // of trainings that were killed
      } catch (error) {
        say(
          `The run is whole in ${folder}, but not in ${location}. Copy it by: ${spell(`train --resume ${location}`)}`,
        );
        throw error;
      }
      await rm(join(folder, '..'), { recursive: true });
    },
    giveUp: async () => {
      if (hasCheckpoint) await mirror.update().catch((error: Error) => say(`note: not copied: ${error.message}`));
    },
    shown: (text) => text.replaceAll(folder, storage.location),
  };
}

/** @throws ConfigurationError where something is that is no run, or a run without leave to replace it */
async function assertFree(storage: Storage, overwrite: boolean): Promise<void> {
  let first: string | undefined;
  for await (const { path } of storage.list()) {
    first ??= path;
    if (OF_RUN.test(path)) {
      if (overwrite) return; // the first copy removes what the new run does not have
      const remedy = `go on with it by --resume ${storage.location}, start anew with --overwrite, or choose another --out`;
      throw refuser(ConfigurationError, `Run ${storage.location}`)('a place where nothing is', 'a run', remedy);
    }
  }
  if (first === undefined) return;
  const refuse = refuser(ConfigurationError, `Run ${storage.location}`);
  throw refuse('a place where nothing is', `${first}, which is no run's`, 'choose another --out');
}

/** @returns whether the folder now holds just what the storage does */
async function fetchRun(storage: Storage, folder: string, { silent }: RemoteOptions): Promise<boolean> {
  const local = await openStorage(folder);
  const [here, there] = [await stepsOf(local), await stepsOf(storage)];
  if (here > 0 && here >= there && (there === 0 || (await sameRun(local, storage)))) return false;
  await rm(folder, { recursive: true, force: true });
  const job = startJob({ label: `Fetching ${storage.location}`, unit: 'MB', silent });
  try {
    await fetchInto(storage, folder, {
      onProgress: (done, total) => job.update(Math.floor(done / MEGABYTE), Math.ceil(total / MEGABYTE)),
    });
    return true;
  } catch (error) {
    await rm(folder, { recursive: true, force: true });
    throw error;
  } finally {
    job.stop();
  }
}

/** How far a run is: the steps of its last checkpoint, of all folds together. */
async function stepsOf(storage: Storage): Promise<number> {
  const folds = new Map<string, number>();
  for await (const { path } of storage.list()) {
    const [, fold = '', step] = CHECKPOINT.exec(path) ?? [];
    if (step !== undefined) folds.set(fold, Math.max(folds.get(fold) ?? 0, Number(step)));
  }
  return [...folds.values()].reduce((sum, step) => sum + step, 0);
}

async function sameRun(one: Storage, other: Storage): Promise<boolean> {
  for await (const { path, bytes } of other.list()) {
    if (!/(^|\/)config\.json$/.test(path)) continue;
    const [mine, theirs] = [await one.find(path), await other.open(path)];
    if (mine === undefined) return false;
    const own = await (await one.open(path)).read(0, mine.bytes);
    return Buffer.compare(own, await theirs.read(0, bytes)) === 0;
  }
  return false;
}
