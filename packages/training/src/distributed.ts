import { mkdir, mkdtemp, readdir, readFile, rm, writeFile } from 'node:fs/promises';
import { availableParallelism, cpus, hostname, tmpdir } from 'node:os';
import { dirname, join } from 'node:path';
import type { Collective } from '@drf/collective';
import { RunFolder, type EncodedRecords, type ExperimentConfig, type Versions } from '@drf/experiment';
import { contentHash } from '@drf/files';
import { ConfigurationError, DataError, refuser } from '@drf/tensor';

/** Methods some of whose loss terms compare the posts of a part, or average over those whose class is known already. */
const SEES_ITS_PART = new Set(['clmlf', 'mvcn']);

/** What a person should know of a training before it begins in several ranks. */
export function distributionNotes({ method, training }: ExperimentConfig, size: number): string[] {
  const parts = size * training.accumulate;
  const each = Math.ceil(training.batchSize / parts);
  const same = `as --training.accumulate ${parts} in one process would`;
  const notes = [`${size} ranks compute each step of ${training.batchSize} posts in parts of ${each}, ${same}`];
  const isOwn = method.includes('@');
  if (SEES_ITS_PART.has(method) || isOwn) {
    const subject = isOwn ? `where the loss of ${method} compares the posts of a batch, it` : `a part of the loss of ${method} compares posts, and`; // prettier-ignore
    notes.push(`${subject} sees the ${each} of a part: choose a larger --training.batch-size if that is too few`);
  }
  return notes;
}

/** @throws ConfigurationError where there would be more parts than posts in a step */
export function assertParts({ training }: ExperimentConfig, size: number): void {
  const { batchSize, accumulate } = training;
  if (size * accumulate <= batchSize) return;
  throw refuser(ConfigurationError, '--distributed')(
    `training.batchSize, the posts of a step in all ranks, of at least ranks · training.accumulate`,
    `${batchSize} posts for ${size} · ${accumulate} parts`,
    'start fewer ranks, accumulate less, or take a larger batch',
  );
}

/**
 * Threads for the engine of a rank: its share of the cores where ranks share a machine, and of those that it may use. Left to
 * itself, each rank would start a thread for every core, and all would wait for each other.
 * @param cores of the machine
 */
export async function threadsOfRank(
  collective: Pick<Collective, 'allGather'>,
  cores = cpus().length,
  host = hostname(),
): Promise<number> {
  const hosts = (await collective.allGather(Buffer.from(host))).map((bytes) => Buffer.from(bytes).toString());
  const ranks = hosts.filter((each) => each === host).length;
  return Math.max(1, Math.min(availableParallelism(), Math.floor(cores / ranks)));
}

/**
 * Makes sure that all ranks are about the same thing.
 * @param facts by name; each must be the same in every rank
 * @throws DataError (in every rank) naming the rank, and what differs from rank 0
 */
export async function agree(collective: Collective, facts: Readonly<Record<string, string>>): Promise<void> {
  const all = await collective.allGather(Buffer.from(JSON.stringify(facts)));
  const [first = {}, ...others] = all.map(
    (bytes) => JSON.parse(Buffer.from(bytes).toString()) as Record<string, string>,
  );
  for (const [index, other] of others.entries()) {
    const name = Object.keys(first).find((each) => first[each] !== other[each]);
    if (name === undefined) continue;
    throw refuser(DataError, `Rank ${index + 1}`)(
      `the ${name} of rank 0, ${first[name]}`,
      String(other[name]),
      'give all ranks the same program, options and files',
    );
  }
}

/** What must be the same in all ranks before features are made of the posts. */
export function factsOf(
  config: ExperimentConfig,
  { git, packages }: Versions,
  encoders: Readonly<Record<string, string>>,
  splits: Readonly<Record<string, readonly { readonly id: string; readonly label: number }[]>>,
): Record<string, string> {
  const posts = Object.entries(splits).flatMap(([name, own]) => [
    name,
    ...own.map(({ id, label }) => `${label} ${id}`),
  ]);
  return {
    'version of the program': `${git ?? 'no commit'} ${JSON.stringify(packages)}`,
    configuration: contentHash(JSON.stringify(config)),
    'encoders and engine': JSON.stringify(encoders),
    'posts and labels': contentHash(...posts),
  };
}

/** What of them could be read, and how they were disrupted. */
export function factsOfEncoded(splits: readonly EncodedRecords[]): Record<string, string> {
  const kept = splits.map(({ set, entries }) => JSON.stringify([set.ids, entries]));
  return { 'posts that can be read, and their disruptions': contentHash(...kept) };
}

/** What a rank has to read of a run: how it was configured, and its posts. */
const READ_FILES = ['config.json', 'rows.jsonl'];
const READ_FOLDER = 'splits';

/**
 * A run folder for every rank: that of rank 0, and for the others a temporary one with a copy of what they read, so that
 * runs need not lie where all hosts can reach them.
 * @param open makes or opens the run, in rank 0
 * @returns the folder, and what removes it where it is temporary
 */
export async function shareRun(
  collective: Collective,
  open: () => Promise<RunFolder>,
): Promise<{ readonly run: RunFolder; release(): Promise<void> }> {
  if (collective.rank === 0) {
    const run = await open();
    const names = await readdir(run.file(READ_FOLDER)).catch(() => [] as string[]);
    const files: [string, string][] = [];
    for (const name of [...READ_FILES, ...names.map((own) => join(READ_FOLDER, own))]) {
      const text = await readFile(run.file(name), 'utf8').catch(() => undefined);
      if (text !== undefined) files.push([name, text]);
    }
    await collective.broadcast(Buffer.from(JSON.stringify(files)));
    return { run, release: () => Promise.resolve() };
  }
  const files = JSON.parse(Buffer.from(await collective.broadcast(new Uint8Array(0))).toString()) as [string, string][];
  const folder = await mkdtemp(join(tmpdir(), 'drf-rank-'));
  const path = join(folder, 'run');
  for (const [name, text] of files) {
    await mkdir(dirname(join(path, name)), { recursive: true });
    await writeFile(join(path, name), text);
  }
  const run = await (files.length > 0 ? RunFolder.open(path) : RunFolder.create(path, { overwrite: false }));
  return { run, release: () => rm(folder, { recursive: true, force: true }) };
}
