import { join } from 'node:path';
import { PAPER_RATIOS } from '@drf/disruption';
import {
  DATASET_NAMES,
  POST_COLUMNS,
  TEXT_ENCODINGS,
  type ColumnNames,
  type DatasetName,
  type EncodingChoice,
  type OwnDatasetName,
} from '@drf/datasets';
import { isModulePath, cacheFolder } from '@drf/files';
import { ownDefinition, ENGINE_NAMES } from '@drf/tensor';
import {
  collect,
  createProgram,
  namedValues,
  oneOf,
  Option,
  valuesByName,
  wholeNumber,
  type Command,
  spell,
} from '@drf/terminal';
import {
  paperStrategies,
  parseRatios,
  parseStrategies,
  SHOWN_POSTS,
  SPLIT_CHOICES,
  type SplitChoice,
} from '@drf/evaluation';
import { refuse, type CommandOptions } from './evaluate-command.js';

/** Options of the command line as they are parsed. */
export interface MainOptions {
  readonly split?: SplitChoice;
  readonly splitFile?: string;
  readonly data?: readonly string[];
  readonly columns?: ColumnNames;
  readonly dataset?: string;
  readonly datasetOptions?: Readonly<Record<string, string>>;
  readonly datasetRoot?: string;
  readonly datasetFile?: string;
  readonly 'dataset.encoding'?: EncodingChoice;
  readonly cells?: string;
  readonly ratios?: string;
  readonly manifest?: string;
  readonly seed?: number;
  readonly checkpoint?: string;
  readonly engine?: string;
  readonly reference?: string;
  readonly allowDownload?: boolean;
  readonly cache: string;
  readonly out?: string;
  readonly csv?: string;
  readonly rawCsv?: boolean;
  readonly details?: boolean;
  readonly posts?: number;
  readonly quiet?: boolean;
  readonly json?: boolean;
}

const EXAMPLES: readonly (readonly [string, string])[] = [
  [spell('eval runs/quickstart-drf-seed0'), 'all cells on the test split, else on val'],
  [spell('eval runs/mvsa-s-drf-seed0 --split val --cells clean,fixed'), 'intact posts and modality-fixed cells'],
  [spell('eval RUN --cells fixed:image:C,random:0.6:C+D --details'), 'chosen cells, with the classes of each'],
  [spell('eval RUN --split-file test.json --dataset-root DIR'), 'a published split, data at another place'],
  [spell('eval RUN --data new.csv'), 'other posts of your own, with labels of the same classes'],
  [spell('eval RUN --data new.csv --columns text=body,label=mood'), 'whose columns have other names'],
  [spell('eval RUN --manifest manifest.jsonl'), 'exactly the disruptions of a manifest'],
  [spell('eval runs/drf-seed* runs/concat-seed* --out runs/comparison'), 'means over seeds and paired differences'],
  [spell('eval runs/posts-drf-seed0-folds5'), 'a cross-validation: every post by the fold that did not see it'],
  [spell('eval RUN --json'), 'the results for machines'],
];

/** `--columns` of one's own posts. */
export function columnsOption(): Option {
  return new Option(
    '--columns <names>',
    `which column of them is which, of ${POST_COLUMNS.join(', ')}, such as text=body,label=mood`,
  ).argParser(valuesByName(POST_COLUMNS, 'text=body,label=mood'));
}

/** The program without its action and subcommands. */
export function createEvaluateCommand(): Command {
  return createProgram(
    'eval',
    'Evaluates trained runs on intact and on disrupted posts, beside the paper’s numbers.',
    EXAMPLES,
  )
    .enablePositionalOptions() // what follows `grid` is the grid's
    .argument(
      '<runs...>',
      'run folders, or an ensemble’s; of several runs, a summary over seeds and paired differences',
    )
    .option(
      '--split <name>',
      `${SPLIT_CHOICES.join(', ')} (default: test if it has posts, else val)`,
      oneOf(SPLIT_CHOICES),
    )
    .option('--split-file <file>', 'a file of ids or a published split instead of a split of the run')
    .option('--data <file>', 'new posts of your own, with labels of the same classes; may be repeated', collect)
    .addOption(columnsOption())
    .option(
      '--dataset <name>',
      `another data set of the same classes: ${DATASET_NAMES.join(', ')}, or a module of your own, ./my-dataset.ts`,
      (text) => (isModulePath(text) ? text : oneOf(DATASET_NAMES)(text)),
    )
    .option('--dataset-options <options>', 'of a data set of your own, such as a=1,b=2', namedValues)
    .option('--dataset-root <folder>', 'where the data set lies, if it moved')
    .option('--dataset-file <file>', 'where the posts that the run was trained on lie, if they moved')
    .option(
      '--encoding, --dataset.encoding <name>',
      `of texts and tables: auto, ${TEXT_ENCODINGS.join(', ')} (default: the run's own posts as in training, else auto)`,
      oneOf(['auto', ...TEXT_ENCODINGS]),
    )
    .option('--cells <list>', 'clean, fixed, random, or strategies such as fixed:image:C (default: all)')
    .option('--ratios <list>', `ratios of the random cells (default: ${PAPER_RATIOS.join(',')})`)
    .option('--manifest <file>', 'the disruptions of this manifest instead')
    .option('--seed <number>', 'seed of the disruptions (default: that of the run)', wholeNumber())
    .option('--checkpoint <file>', 'another checkpoint of the run (default: the best, else the last)')
    .option('--engine <name>', `${ENGINE_NAMES.join(', ')} (default: that of the run)`, oneOf(ENGINE_NAMES))
    .option('--allow-download', 'fetch encoders that the run names and the cache lacks from the Hugging Face hub')
    .option('--cache <folder>', 'feature cache', join(cacheFolder(), 'features'))
    .option('--reference <method>', 'of several runs the method that the others are compared with (default: drf)')
    .option('--out <folder>', 'results go here (default: eval/SPLIT in the run; of several runs: runs/eval-NAMES)')
    .option('--csv <file>', 'also write the cells of all runs to this file')
    .option('--raw-csv', 'texts in CSV as they are, also those that a spreadsheet would run as a formula')
    .option(
      '--posts <count>',
      'wrongly judged posts to show in the report, with text and small image; 0 for none',
      wholeNumber(0, 200),
      SHOWN_POSTS,
    )
    .option('--details', 'classes and confusion matrix of every cell')
    .option('--quiet', 'no progress')
    .option('--json', 'print the results as JSON; no progress');
}

/**
 * Turns parsed options into those of an evaluation.
 * @throws ConfigurationError for options that exclude each other, an unknown cell or a bad ratio
 */
export function commandOptions(options: MainOptions): Omit<CommandOptions, 'workspace' | 'signal' | 'onResult'> {
  exclude(options, 'manifest', ['cells', 'ratios', 'seed']);
  exclude(options, 'splitFile', ['split']);
  exclude(options, 'data', ['dataset', 'datasetFile']);
  const { split, splitFile, manifest, seed, checkpoint, engine, allowDownload, cache, reference, out, csv } = options;
  const ratios = options.ratios === undefined ? PAPER_RATIOS : parseRatios(options.ratios);
  return {
    cells: options.cells === undefined ? paperStrategies(ratios) : parseStrategies(options.cells, ratios),
    dataset: {
      name: options.data === undefined ? datasetName(options.dataset) : 'posts',
      options: options.datasetOptions,
      root: options.datasetRoot,
      file: options.data ?? options.datasetFile,
      columns: options.columns,
      encoding: options['dataset.encoding'],
    },
    split,
    splitFile,
    manifest,
    seed,
    checkpoint,
    engine,
    allowDownload,
    cache,
    posts: options.posts,
    reference,
    out,
    csv,
    rawCsv: options.rawCsv === true,
  };
}

/** A data set of this repository, or the id of one of the user's own, whose module was loaded. */
function datasetName(text: string | undefined): DatasetName | OwnDatasetName | undefined {
  if (text === undefined || !isModulePath(text)) return text as DatasetName | undefined;
  return ownDefinition(text, 'data set').id as OwnDatasetName;
}

function exclude(options: MainOptions, name: keyof MainOptions, others: readonly (keyof MainOptions)[]): void {
  const flag = (key: string): string => `--${key.replace(/[A-Z]/g, (letter) => `-${letter.toLowerCase()}`)}`;
  const clash = options[name] === undefined ? undefined : others.find((other) => options[other] !== undefined);
  if (clash === undefined) return;
  throw refuse(flag(name), `to stand without ${flag(clash)}`, 'both', 'leave one of the two out');
}
