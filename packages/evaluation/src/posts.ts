import { basename } from 'node:path';
import {
  foldLabel,
  loadSplit,
  loadSplits,
  selectSplit,
  type Dataset,
  type PostRecord,
  type SplitFile,
} from '@drf/datasets';
import { splitNameOf, type DatasetConfig, type RunFolder } from '@drf/experiment';
import { contentHash } from '@drf/files';
import { ConfigurationError, isOwnId, DataError } from '@drf/tensor';
import { SPLIT_CHOICES, type SplitChoice } from './names.js';

export type { SplitChoice };

/** Where the data is now, or another data set of the run's classes. */
export interface DatasetOverride {
  readonly name?: DatasetConfig['name'];
  /** Of a data set of the user's own. */
  readonly options?: DatasetConfig['options'];
  readonly root?: string;
  readonly file?: string | readonly string[];
  /** Which column of the file is which. Default for other posts: as in those that the run was trained on. */
  readonly columns?: DatasetConfig['columns'];
  /** Of texts and tables. Default: the run's own posts are read as in training, others as they look. */
  readonly encoding?: DatasetConfig['encoding'];
}

/**
 * The data set to evaluate on: the run's, where it is now, or another one.
 * @returns `isOwn`: whether it is the one that the run was trained on, so that the run's splits apply
 * @throws ConfigurationError when another data set is named without its place
 */
export function evaluatedDataset(
  trained: DatasetConfig,
  { name, options, root, file: given, columns, encoding }: DatasetOverride = {},
): { dataset: DatasetConfig; isOwn: boolean } {
  const isOwn = name === undefined || (name === trained.name && name !== 'posts');
  const { imageSize, trainFraction, valFraction, splitSeed, labels } = trained;
  const file = given === undefined || typeof given === 'string' ? given : [...given];
  const dataset: DatasetConfig = isOwn
    ? {
        ...trained,
        options: options ?? trained.options,
        root: root ?? trained.root,
        file: file ?? trained.file,
        columns: columns ?? trained.columns,
        encoding: encoding ?? trained.encoding,
      }
    : {
        name,
        options,
        root,
        file,
        columns: { ...contentColumns(trained), ...columns },
        encoding,
        labels,
        imageSize,
        trainFraction,
        valFraction,
        splitSeed,
      };
  if (
    dataset.name !== 'embedded' &&
    !isOwnId(dataset.name) &&
    dataset.root === undefined &&
    dataset.file === undefined
  ) {
    const isPosts = dataset.name === 'posts';
    throw new ConfigurationError({
      subject: `--dataset ${dataset.name}`,
      expected: isPosts ? 'its file' : 'its folder',
      received: 'none',
      remedy: `name it: ${isPosts ? '--data FILE' : '--dataset-root DIR'}`,
    });
  }
  return { dataset, isOwn };
}

/** Of the columns that the run was told of those that other posts have, too. */
function contentColumns({ name, columns = {} }: DatasetConfig): DatasetConfig['columns'] {
  if (name !== 'posts') return {};
  const { text, image, label } = columns;
  return { text, image, label };
}

/** How results call a data set: other posts than the run's own by their files. */
export function shownName({ name, file }: DatasetConfig, isOwn: boolean): string {
  if (isOwn || name !== 'posts' || file === undefined) return name;
  return [file].flat().map((path) => basename(path)).join('+'); // prettier-ignore
}

/** Where the posts come from. */
interface PostsRequest {
  readonly dataset: Dataset;
  readonly run: RunFolder;
  /** The run's classes: labels become indices into these. */
  readonly classes: readonly string[];
  /** Whether the data set is the one that the run was trained on, so that the run's splits apply. */
  readonly isOwn: boolean;
  /** Default: test if it has posts, else val. */
  readonly split?: SplitChoice;
  readonly splitFile?: string;
}

/** Posts to evaluate on. */
interface SelectedPosts {
  readonly split: string;
  readonly records: readonly PostRecord[];
  /** What a person should know: ids that the data set lacks, labels that differ. */
  readonly notes: readonly string[];
}

/**
 * Chooses the posts: a split file, else a split of the run, or of the data set itself where the run was trained on
 * another. Labels are translated to the run's classes by name, whose case and spaces count only between two classes.
 * @throws ConfigurationError when the data set has a class that the run does not know; DataError when there are no posts
 */
export async function selectPosts(request: PostsRequest): Promise<SelectedPosts> {
  const toRun = classMap(request);
  const selected = await choose(request);
  if (selected.records.length === 0) throw noPosts(request, selected.split);
  const renamed = request.dataset.classes.flatMap((name, label) => {
    const own = request.classes[toRun[label] as number];
    return own === name ? [] : [`label "${name}" is taken as the run's "${own}"`];
  });
  return {
    ...selected,
    notes: [...selected.notes, ...renamed],
    records: selected.records.map((record) => ({ ...record, label: toRun[record.label] as number })),
  };
}

/** The run's class of each label. */
function classMap({ dataset, classes, run }: PostsRequest): number[] {
  const known = dataset.classes.map((name) => {
    const exact = classes.indexOf(name);
    const alike = classes.flatMap((own, label) => (foldLabel(own) === foldLabel(name) ? [label] : []));
    return exact === -1 && alike.length === 1 ? (alike[0] as number) : exact;
  });
  const unknown = dataset.classes.filter((_, label) => known[label] === -1);
  if (unknown.length === 0) return known;
  throw new ConfigurationError({
    subject: `Data set ${dataset.name} for run ${run.path}`,
    expected: `classes ${classes.join(', ')}`,
    received: dataset.classes.join(', '),
    remedy: `the run cannot answer ${unknown.join(', ')}; choose a data set with its classes`,
  });
}

async function choose(request: PostsRequest): Promise<SelectedPosts> {
  const { dataset, splitFile, split } = request;
  if (splitFile !== undefined) return fromFile(dataset, await loadSplit(splitFile));
  if (split === 'all') return { split, records: dataset.records, notes: [] };
  const splits = request.isOwn ? await savedSplits(request) : columnSplits(dataset);
  const named = split ?? (['test', 'val', 'train'] as const).find((known) => splits.has(known));
  if (named === undefined && !request.isOwn) return { split: 'all', records: dataset.records, notes: [] };
  if (splits.size === 0 && split === undefined) return { split: 'all', records: dataset.records, notes: [] };
  const name = named ?? 'test';
  const file = splits.get(name);
  return file === undefined ? { split: name, records: [], notes: [] } : fromFile(dataset, file);
}

/** The run's splits that hold posts. */
async function savedSplits({ run }: PostsRequest): Promise<Map<string, SplitFile>> {
  const folder = run.file('splits');
  const saved = Object.entries(await loadSplits(folder));
  return new Map(
    saved
      .filter(([, ids]) => ids.length > 0)
      .map(([name, ids]) => [name, { path: `${folder}/${name}.json`, name, form: 'own', ids, posts: [] }]),
  );
}

/** The splits that the data set assigns itself. */
function columnSplits(dataset: Dataset): Map<string, SplitFile> {
  const ids = new Map<string, string[]>();
  for (const { id, split: written } of dataset.records) {
    if (written === undefined) continue;
    const split = splitNameOf(written) ?? written;
    const own = ids.get(split);
    if (own === undefined) ids.set(split, [id]);
    else own.push(id);
  }
  return new Map([...ids].map(([name, own]) => [name, { path: dataset.name, name, form: 'own', ids: own, posts: [] }]));
}

function fromFile(dataset: Dataset, file: SplitFile): SelectedPosts {
  const { name, records, absent, disagreements } = selectSplit(dataset, file);
  return {
    split: name,
    records,
    notes: [
      ...note(absent, `are not in the data set`, file.ids.length),
      ...note(disagreements, 'have another label in the data set, which stands', file.ids.length),
    ],
  };
}

const NAMED_IDS = 5;

function note(posts: readonly { readonly id: string }[], what: string, total: number): string[] {
  if (posts.length === 0) return [];
  const ids = posts.slice(0, NAMED_IDS).map(({ id }) => id);
  const list = [...ids, ...(posts.length > NAMED_IDS ? ['…'] : [])].join(', ');
  return [`${posts.length} of the split's ${total} posts ${what} (${list})`];
}

function noPosts({ dataset, run, isOwn }: PostsRequest, split: string): DataError {
  return new DataError({
    subject: isOwn ? `Run ${run.path}` : `Data set ${dataset.name}`,
    expected: `posts in split "${split}"`,
    received: 'none',
    remedy: `choose another of ${SPLIT_CHOICES.join(', ')} with --split, or name a file with --split-file`,
  });
}

/** Equal for equal posts in equal order, with equal labels: only such evaluations may be compared post by post. */
export function postsHash(records: readonly Pick<PostRecord, 'id' | 'label'>[]): string {
  return contentHash(...records.flatMap(({ id, label }) => [id, String(label)]));
}
