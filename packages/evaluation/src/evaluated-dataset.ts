import { basename } from 'node:path';
import type { DatasetConfig } from '@drf/experiment';
import { ConfigurationError, isOwnId } from '@drf/tensor';

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
