import {
  explainLoss,
  loadSplit,
  loadSplits,
  makeSplits,
  openDataset,
  recordsOfSplit,
  selectSplit,
  type Dataset,
  type PostRecord,
  type SelectedSplit,
  type SplitFile,
  type Splits,
  SPLIT_NAMES,
  type SplitName,
} from '@drf/datasets';
import { ConfigurationError, createRandom, DataError } from '@drf/tensor';
import type { DatasetConfig } from './schema.js';

const SPELLINGS: Readonly<Record<SplitName, readonly string[]>> = {
  train: ['train', 'training', 'trn'],
  val: ['val', 'valid', 'validation', 'validate', 'dev', 'devel', 'development'],
  test: ['test', 'testing', 'tst', 'holdout', 'heldout'],
};

/**
 * A split by its common spellings, in any case, also as a part of a longer name ("tweets_train", "Hold-out",
 * "test-00000-of-00001").
 * @returns nothing for a name that is of no split, or of two ("train+val")
 */
export function splitNameOf(name: string): SplitName | undefined {
  const words = name
    .toLowerCase()
    .replace(/h[eo]ld[-_. ]?out/g, 'holdout')
    .split(/[^a-z]+/);
  const named = SPLIT_NAMES.filter((split) => words.some((word) => SPELLINGS[split].includes(word)));
  return named.length === 1 ? named[0] : undefined;
}

/** A data set with its posts assigned to splits. */
export interface ExperimentData {
  readonly dataset: Dataset;
  readonly splits: Readonly<Record<SplitName, readonly PostRecord[]>>;
  /** What a person should know: ids of a split file that the data set lacks, labels that differ. */
  readonly notes: readonly string[];
  /** What may spoil a training: posts or files that end in no split, sizes that do not fit. */
  readonly warnings: readonly string[];
}

/** Opens the data set of an experiment. @throws ConfigurationError and DataError as `openDataset` */
export async function openExperimentDataset(
  config: DatasetConfig,
  onProgress?: (done: number, total: number) => void,
): Promise<Dataset> {
  const { name, options, root, file, columns, encoding, labels, imageSize } = config;
  return openDataset({ name, options, root, file, columns, encoding, labels, imageSize, onProgress });
}

/**
 * Assigns posts to splits: by split files where the experiment names any, else by the data's own split column, else
 * drawn here (seeded, stratified). With `folds`, training and test posts are dealt out anew.
 * @throws ConfigurationError and DataError as `openDataset`; ConfigurationError for more folds than posts, and for splits
 *   that would stay empty; UnusableDataError where that is because most rows are dropped
 */
export async function openExperimentData(
  config: DatasetConfig,
  onProgress?: (done: number, total: number) => void,
): Promise<ExperimentData> {
  return splitExperimentData(await openExperimentDataset(config, onProgress), config);
}

/** Assigns the posts of a data set that is open already. @throws as {@link openExperimentData} */
export async function splitExperimentData(dataset: Dataset, config: DatasetConfig): Promise<ExperimentData> {
  try {
    return withFold(await splitData(dataset, config), config);
  } catch (error) {
    throw explainLoss(error, dataset.ledger.toJSON());
  }
}

async function splitData(dataset: Dataset, config: DatasetConfig): Promise<ExperimentData> {
  const named = await splitFilesOf(config);
  if (named.length > 0) return fromFiles(dataset, named, config);
  const hasColumn = dataset.records.some((record) => record.split !== undefined);
  return hasColumn ? fromColumn(dataset, config) : drawn(dataset, dataset.records, config);
}

/** Splits of a run again, from the ids that were saved with it. */
export async function reopenSplits(dataset: Dataset, folder: string): Promise<ExperimentData> {
  const splits = await loadSplits(folder);
  const files = Object.entries(splits).map(([name, ids]): SplitFile => ({
    path: `${folder}/${name}.json`,
    name,
    form: 'own',
    ids,
    posts: [],
  }));
  return fromFiles(dataset, files, {});
}

async function splitFilesOf(config: DatasetConfig): Promise<SplitFile[]> {
  const { splits, trainSplit, valSplit, testSplit } = config;
  const files: SplitFile[] = [];
  if (splits !== undefined) {
    for (const [name, ids] of Object.entries(await loadSplits(splits))) {
      files.push({ path: `${splits}/${name}.json`, name, form: 'own', ids, posts: [] });
    }
  }
  for (const [name, path] of Object.entries({ train: trainSplit, val: valSplit, test: testSplit })) {
    if (path !== undefined) files.push({ ...(await loadSplit(path)), name });
  }
  return files;
}

type Limit = Partial<Pick<DatasetConfig, 'limit' | 'splitSeed'>>;

function fromFiles(dataset: Dataset, files: readonly SplitFile[], limit: Limit): ExperimentData {
  const splits: Record<SplitName, readonly PostRecord[]> = { train: [], val: [], test: [] };
  const [notes, warnings]: [string[], string[]] = [[], []];
  for (const file of files) {
    const name = splitNameOf(file.name);
    if (file.ids.length === 0) {
      if (file.form !== 'own') warnings.push(`split ${file.name}: ${file.path} lists no posts`);
      continue;
    }
    if (name === undefined) {
      warnings.push(unusedSplit(file.name, file.ids.length));
      continue;
    }
    const selected = selectSplit(dataset, file);
    splits[name] = selected.records;
    notes.push(...notesOn(selected));
  }
  return { dataset, splits: limited(splits, limit), notes, warnings };
}

function unusedSplit(name: string, posts: number): string {
  return `split "${name}" is none of train, val and test: its ${posts} posts are not used; rename it`;
}

function notesOn(selected: SelectedSplit): string[] {
  const { name, absent, disagreements } = selected;
  const list = (ids: readonly string[]): string => ids.slice(0, 5).join(', ') + (ids.length > 5 ? ', …' : '');
  const notes: string[] = [];
  if (absent.length > 0) {
    notes.push(`split ${name}: ${absent.length} posts are not in the data set (${list(absent.map(({ id }) => id))})`);
  }
  if (disagreements.length > 0) {
    const ids = disagreements.map(({ id }) => id);
    notes.push(`split ${name}: ${ids.length} posts have another label in the data set, which stands (${list(ids)})`);
  }
  return notes;
}

function fromColumn(dataset: Dataset, config: DatasetConfig): ExperimentData {
  const names = [...new Set(dataset.records.flatMap((record) => record.split ?? []))];
  const splits: Record<SplitName, readonly PostRecord[]> = { train: [], val: [], test: [] };
  const [notes, warnings]: [string[], string[]] = [[], []];
  for (const name of names) {
    const key = splitNameOf(name);
    const records = recordsOfSplit(dataset, name);
    if (key === undefined) warnings.push(unusedSplit(name, records.length));
    else splits[key] = [...splits[key], ...records];
  }
  const without = dataset.records.filter((record) => record.split === undefined).length;
  if (without > 0) warnings.push(`${without} posts name no split and are not used`);
  if (splits.train.length === 0 && config.folds === undefined) throw noTraining(dataset, names);
  if (splits.val.length > 0) return { dataset, splits: limited(splits, config), notes, warnings };
  const shares = { trainFraction: 1 - config.valFraction, splitSizes: undefined };
  const again = drawn(dataset, splits.train, { ...config, ...shares, limit: undefined });
  return {
    dataset,
    splits: limited({ ...again.splits, test: splits.test }, config),
    notes: [
      ...notes,
      `the data names no validation split; ${again.splits.val.length} training posts were drawn for it`,
    ],
    warnings,
  };
}

function noTraining(dataset: Dataset, names: readonly string[]): DataError {
  return new DataError({
    subject: `Splits of ${dataset.ledger.source}`,
    expected: 'posts in the split train',
    received: `splits "${names.slice(0, 5).join('", "')}"${names.length > 5 ? ' and others' : ''}`,
    remedy: 'call one of them train, or do without them: --columns split= draws splits here',
  });
}

/** What {@link makeSplits} is to draw. */
interface Shares {
  readonly fractions: Readonly<Record<string, number>>;
  readonly warnings: readonly string[];
}

/** Exact sizes where the experiment names some that add up to the posts at hand; else fractions. */
export function splitShares(
  posts: number,
  { splitSizes, trainFraction, valFraction }: Pick<DatasetConfig, 'splitSizes' | 'trainFraction' | 'valFraction'>,
): Shares {
  const fractions = { train: trainFraction, val: valFraction, test: 1 - trainFraction - valFraction };
  const used = Object.fromEntries(Object.entries(fractions).filter(([, share]) => share > 1e-9));
  if (splitSizes === undefined) return { fractions: used, warnings: [] };
  const [train = 0, val = 0, test = 0] = splitSizes;
  if (train + val + test === posts) return { fractions: { train, val, test }, warnings: [] };
  const shares = Object.values(used).map((share) => Number(share.toFixed(4))).join(' : '); // prettier-ignore
  const sizes = `splits of ${splitSizes.join(', ')} posts need ${train + val + test} posts`;
  return { fractions: used, warnings: [`${sizes}, and there are ${posts}: split ${shares} instead`] };
}

function drawn(dataset: Dataset, records: readonly PostRecord[], config: DatasetConfig): ExperimentData {
  const { fractions, warnings } = splitShares(records.length, config);
  const made = withEveryClassTrained(
    records,
    makeSplits({ records, classes: dataset.classes }, { fractions, seed: config.splitSeed }),
  );
  const byId = new Map(records.map((record) => [record.id, record]));
  const pick = (name: SplitName): PostRecord[] => (made[name] ?? []).map((id) => byId.get(id) as PostRecord);
  return {
    dataset,
    splits: limited({ train: pick('train'), val: pick('val'), test: pick('test') }, config),
    notes: [],
    warnings,
  };
}

/**
 * Splits in which every class has a training post: where a class has none, its first post elsewhere changes places with
 * the last one of the class that has most. Sizes stay.
 */
function withEveryClassTrained(records: readonly PostRecord[], made: Splits): Splits {
  const labelOf = new Map(records.map(({ id, label }) => [id, label]));
  const splits: Record<string, string[]> = Object.fromEntries(
    Object.entries(made).map(([name, ids]) => [name, [...ids]]),
  );
  const { train } = splits;
  if (train === undefined) return made;
  const counts = new Map<number, number>();
  const count = (id: string, by: number): void =>
    void counts.set(labelOf.get(id) as number, (counts.get(labelOf.get(id) as number) ?? 0) + by);
  for (const id of train) count(id, 1);
  for (const [name, ids] of Object.entries(splits)) {
    if (name === 'train') continue;
    for (const [place, id] of ids.entries()) {
      if ((counts.get(labelOf.get(id) as number) ?? 0) > 0) continue;
      const [most, posts] = [...counts].reduce((best, next) => (next[1] > best[1] ? next : best));
      if (posts < 2) return splits;
      const index = train.findLastIndex((other) => labelOf.get(other) === most);
      ids[place] = train[index] as string;
      train[index] = id;
      count(id, 1);
      counts.set(most, posts - 1);
    }
  }
  return splits;
}

/** A random part of each split, drawn by the splits' seed. */
function limited(
  splits: Readonly<Record<SplitName, readonly PostRecord[]>>,
  { limit, splitSeed = 0 }: Limit,
): Record<SplitName, readonly PostRecord[]> {
  const draw = (name: SplitName): readonly PostRecord[] => {
    const records = splits[name];
    if (limit === undefined || records.length <= limit) return records;
    const chosen = new Set(createRandom(splitSeed).fork('limit').fork(name).shuffle(records).slice(0, limit));
    return records.filter((record) => chosen.has(record));
  };
  return { train: draw('train'), val: draw('val'), test: draw('test') };
}

/**
 * Cross-validation: training and test posts together are dealt out into `folds` parts that hold every class in the same
 * share; part `fold` becomes the test split, the others the training split. The validation split stays, so that what
 * chooses the epoch is never what is judged. Over all folds each post is judged once, by a model that did not see it,
 * but for the only post of a class, which is trained on. The same `splitSeed` deals the same folds.
 * @throws ConfigurationError when there are fewer posts than folds
 */
export function withFold(
  data: ExperimentData,
  { folds, fold = 1, splitSeed }: Pick<DatasetConfig, 'folds' | 'fold' | 'splitSeed'>,
): ExperimentData {
  if (folds === undefined) return data;
  const { dataset, splits } = data;
  const records = [...splits.train, ...splits.test];
  if (folds > records.length) throw tooMany(folds, records.length);
  const names = Array.from({ length: folds }, (_, i) => `fold ${i + 1} of ${folds}`);
  const dealt = makeSplits(
    { records, classes: dataset.classes },
    { fractions: Object.fromEntries(names.map((name) => [name, 1])), seed: splitSeed },
  );
  const dealtOut = new Set(dealt[names[fold - 1] as string]);
  const isTested = ({ id, label }: PostRecord): boolean =>
    dealtOut.has(id) && records.some((other) => other.label === label && other.id !== id);
  const test = records.filter(isTested);
  const tested = new Set(test);
  return { ...data, splits: { train: records.filter((record) => !tested.has(record)), val: splits.val, test } };
}

function tooMany(folds: number, posts: number): ConfigurationError {
  return new ConfigurationError({
    subject: 'dataset.folds',
    expected: `at most ${posts}, the number of training and test posts`,
    received: String(folds),
    remedy: 'ask for fewer folds, or bring more posts',
  });
}
