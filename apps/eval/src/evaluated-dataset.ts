import type { DatasetConfig } from '@drf/experiment';
import { ConfigurationError } from '@drf/tensor';

/** Where the data is now, or another data set of the run's classes. */
export interface DatasetOverride {
  readonly name?: DatasetConfig['name'];
  readonly root?: string;
  readonly file?: string;
}

/**
 * The data set to evaluate on: the run's, where it is now, or another one.
 * @returns `isOwn`: whether it is the one that the run was trained on, so that the run's splits apply
 * @throws ConfigurationError when another data set is named without its place
 */
export function evaluatedDataset(
  trained: DatasetConfig,
  { name, root, file }: DatasetOverride = {},
): { dataset: DatasetConfig; isOwn: boolean } {
  const isOwn = name === undefined || (name === trained.name && name !== 'posts');
  const { imageSize, trainFraction, valFraction, splitSeed } = trained;
  const dataset: DatasetConfig = isOwn
    ? { ...trained, root: root ?? trained.root, file: file ?? trained.file }
    : { name, root, file, imageSize, trainFraction, valFraction, splitSeed };
  if (dataset.name !== 'embedded' && dataset.root === undefined && dataset.file === undefined) {
    const isPosts = dataset.name === 'posts';
    throw new ConfigurationError({
      subject: `--dataset ${dataset.name}`,
      expected: isPosts ? 'its file' : 'its folder',
      received: 'none',
      remedy: `name it: ${isPosts ? '--dataset-file FILE' : '--dataset-root DIR'}`,
    });
  }
  return { dataset, isOwn };
}
