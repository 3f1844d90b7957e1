import {
  DATASET_NAMES,
  openDataset,
  POST_COLUMNS,
  TEXT_ENCODINGS,
  UnusableDataError,
  type ColumnNames,
  type Dataset,
  type EncodingChoice,
  type OpenOptions,
} from '@drf/datasets';
import { isModulePath, loadDefinition } from '@drf/files';
import {
  collect,
  namedValues,
  oneOf,
  startProgress,
  valuesByName,
  wholeNumber,
  type Command,
  type Progress,
} from '@drf/terminal';
import { ledgerTable } from './inspection-tables.js';

/** Options that say which data set is meant; every command takes them. */
export interface DatasetFlags {
  readonly dataset: string;
  readonly datasetOptions?: Readonly<Record<string, string>>;
  readonly root?: string;
  readonly file?: readonly string[];
  readonly columns?: ColumnNames;
  readonly classes?: readonly string[];
  readonly 'dataset.encoding'?: EncodingChoice;
  readonly imageSize: number;
  readonly embeddedSeed?: number;
  readonly quiet?: boolean;
}

function commaSeparated(value: string): readonly string[] {
  return value.split(',').map((name) => name.trim());
}

export function addDatasetFlags(command: Command): Command {
  return command
    .option(
      '--dataset <name>',
      `${DATASET_NAMES.join(', ')}, or a module of your own, ./my-dataset.ts`,
      (text) => (isModulePath(text) ? text : oneOf(DATASET_NAMES)(text)),
      'embedded',
    )
    .option('--dataset-options <options>', 'of a data set of your own, such as a=1,b=2', namedValues)
    .option('--root <folder>', 'folder of the data set (for posts: of the images)')
    .option('--file <file>', 'for posts: .jsonl, .csv, .tsv, .parquet or .json; may be repeated', collect)
    .option(
      '--columns <names>',
      `for posts: which column is which, of ${POST_COLUMNS.join(', ')}, such as text=body,label=mood; id= for none`,
      valuesByName(POST_COLUMNS, 'text=body,label=mood'),
    )
    .option('--classes <names>', 'for posts: class names in their order, separated by commas', commaSeparated)
    .option(
      '--encoding, --dataset.encoding <name>',
      `of texts and tables: auto, ${TEXT_ENCODINGS.join(', ')}`,
      oneOf(['auto', ...TEXT_ENCODINGS]),
      'auto',
    )
    .option('--image-size <pixels>', 'side of decoded images', wholeNumber(1, 8192), 224)
    .option('--embedded-seed <seed>', 'for embedded: seed of the generator', wholeNumber(), 1)
    .option('--quiet', 'no progress on standard error');
}

/** Opens the data set that the flags name, showing progress when it takes long. */
export async function openFromFlags(flags: DatasetFlags): Promise<Dataset> {
  const {
    dataset,
    datasetOptions,
    'dataset.encoding': encoding,
    root,
    file,
    columns,
    classes,
    imageSize,
    embeddedSeed,
  } = flags;
  const progress = progressFor('Checking files', flags);
  const name = isModulePath(dataset) ? (await loadDefinition(dataset, 'data set')).id : dataset;
  const options: OpenOptions = {
    name: name as OpenOptions['name'],
    ...(datasetOptions === undefined ? {} : { options: datasetOptions }),
    ...(root === undefined ? {} : { root }),
    ...(file === undefined ? {} : { file }),
    ...(columns === undefined ? {} : { columns }),
    ...(classes === undefined ? {} : { classes }),
    ...(encoding === undefined ? {} : { encoding }),
    imageSize,
    ...(embeddedSeed === undefined ? {} : { embedded: { seed: embeddedSeed } }),
    onProgress: progress.update,
  };
  try {
    return await openDataset(options);
  } catch (error) {
    progress.stop();
    if (error instanceof UnusableDataError && flags.quiet !== true)
      process.stderr.write(`${ledgerTable(error.ledger)}\n`);
    throw error;
  } finally {
    progress.stop();
  }
}

/** A progress display whose total is known only at the first update. */
export function progressFor(
  label: string,
  { quiet }: { readonly quiet?: boolean },
): { readonly update: (done: number, total: number) => void; readonly stop: () => void } {
  let progress: Progress | undefined;
  return {
    update: (done, total) => {
      progress ??= startProgress({ label, total, unit: 'posts', silent: quiet === true });
      progress.update(done);
    },
    stop: () => progress?.stop(),
  };
}
