import { ConfigurationError, isOwnId } from '@drf/tensor';
import type { Dataset } from './dataset.js';
import { openEmbedded } from './embedded/open-embedded.js';
import { openLabelledFolder } from './folders/labelled-folder.js';
import { mvsaLayout, tumEmoLayout } from './folders/layouts.js';
import { UnusableDataError } from './main-reason.js';
import { contentOptions, DATASET_NAMES, embeddedOptions, type OpenOptions } from './options.js';
import { openOwnDataset } from './own-dataset.js';
import { openPosts } from './posts/open-posts.js';
import { relabel } from './relabel.js';

/**
 * Opens a data set: reads its labels, applies the label rule, checks that files exist, and accounts for every row in the
 * ledger. No image is decoded yet.
 * @throws ConfigurationError when the name is unknown or an option is missing or out of range
 * @throws DataError when a folder or file is missing; UnusableDataError, which brings the ledger, when no row can be used
 */
export async function openDataset(options: OpenOptions): Promise<Dataset> {
  const dataset = relabel(await openByName(options), options.labels ?? {});
  if (dataset.records.length > 0) return dataset;
  throw UnusableDataError.of('at least one usable row', dataset.ledger.toJSON());
}

async function openByName(options: OpenOptions): Promise<Dataset> {
  const { name } = options;
  switch (name) {
    case 'mvsa-single':
    case 'mvsa-multiple':
      return openLabelledFolder(mvsaLayout(name), rootOf(options), contentOptions(options));
    case 'tumemo':
      return openLabelledFolder(tumEmoLayout, rootOf(options), contentOptions(options));
    case 'embedded':
      return openEmbedded(embeddedOptions(options.embedded), contentOptions(options));
    case 'posts':
      return openPosts({
        ...contentOptions(options),
        root: options.root,
        classes: options.classes,
        columns: options.columns ?? {},
        files: filesOf(options),
      });
    default:
      if (isOwnId(name)) return openOwnDataset(name, options.options ?? {}, options.root, contentOptions(options));
      throw new ConfigurationError({
        subject: 'openDataset',
        expected: `one of ${DATASET_NAMES.join(', ')}`,
        received: JSON.stringify(name),
        remedy: 'a module of your own is named by the id that loadDefinition gives it',
      });
  }
}

function rootOf({ name, root }: OpenOptions): string {
  if (root !== undefined && root !== '') return root;
  throw new ConfigurationError({
    subject: `Data set ${name}`,
    expected: 'its root folder',
    received: 'none',
    remedy: 'pass root (--root DIR)',
  });
}

function filesOf({ file }: OpenOptions): readonly string[] {
  const files = typeof file === 'string' ? [file] : (file ?? []);
  if (files.length > 0) return files;
  throw new ConfigurationError({
    subject: 'Data set posts',
    expected: 'a file of posts (.jsonl, .csv, .tsv, .parquet or .json)',
    received: 'none',
    remedy: 'pass file (--file FILE)',
  });
}
