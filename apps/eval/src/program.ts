// The options of every command of this app. What the commands do is loaded when they do it, so that help and wrong options
// take no time.
import { join } from 'node:path';
import { DATASET_NAMES, POST_COLUMNS, SPLIT_NAMES, TEXT_ENCODINGS } from '@drf/datasets/names';
import { CORRUPTION_NAMES, PAPER_RATIOS, SETTINGS, SEVERITIES } from '@drf/disruption';
import { GRID_NAMES, PROJECTIONS, SHOWN_POSTS, SPLIT_CHOICES } from '@drf/evaluation/names';
import { addConfigFlags, takeOwnModules } from '@drf/experiment/options';
import { cacheFolder, isModulePath } from '@drf/files';
import {
  collect,
  Command,
  createProgram,
  engineOption,
  namedValues,
  oneOf,
  Option,
  spell,
  valuesByName,
  wholeNumber,
  withExamples,
} from '@drf/terminal';
import { addRunnerOptions } from '@drf/units/options';
import {
  DEFAULT_SEEDS,
  type MainOptions,
  type GridFlags,
  type ScheduleFlags,
  type ReportFlags,
  type ResultsFlags,
  type MergeFlags,
} from './flags.js';

const MOST_FOLDS = 100;

/** The command that evaluates runs, with those that train, compare and show grids. */
export function createEvalProgram(): Command {
  return takeOwnModules(createEvaluateCommand())
    .action(async (runs: string[], options: MainOptions) =>
      (await import('./evaluate-action.js')).evaluateAction(runs, options),
    )
    .addCommand(createGridCommand())
    .addCommand(createScheduleCommand())
    .addCommand(createReportCommand())
    .addCommand(createResultsCommand())
    .addCommand(createMergeCommand());
}

const EVAL_EXAMPLES: readonly (readonly [string, string])[] = [
  [spell('eval runs/quickstart-drf-seed0'), 'all cells on the test split, else on val'],
  [spell('eval runs/mvsa-s-drf-seed0 --split val --cells clean,fixed'), 'intact posts and modality-fixed cells'],
  [spell('eval RUN --cells fixed:image:C,random:0.6:C+D --details'), 'chosen cells, with the classes of each'],
  [spell('eval RUN --cells corruptions,missing'), 'noise, blur, typos … by severity, and missing rates'],
  [spell('eval RUN --split-file test.json --dataset-root DIR'), 'a published split, data at another place'],
  [spell('eval RUN --data new.csv'), 'other posts of your own, with labels of the same classes'],
  [spell('eval RUN --data new.csv --columns text=body,label=mood'), 'whose columns have other names'],
  [spell('eval RUN --manifest manifest.jsonl'), 'exactly the disruptions of a manifest'],
  [spell('eval runs/drf-seed* runs/concat-seed* --out runs/comparison'), 'means over seeds and paired differences'],
  [spell('eval runs/posts-drf-seed0-folds5'), 'a cross-validation: every post by the fold that did not see it'],
  [spell('eval RUN --explain 5'), 'a report that also says what misled it in its five surest mistakes'],
  [spell('eval RUN --json'), 'the results for machines'],
];

/** `--columns` of one's own posts. */
function columnsOption(): Option {
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
    EVAL_EXAMPLES,
  )
    .enablePositionalOptions() // what follows `grid` is the grid's
    .argument(
      '<runs...>',
      'run folders, or an ensemble’s, also s3://bucket/…; of several runs, a summary over seeds and paired differences',
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
    .option(
      '--cells <list>',
      'clean, fixed, random, corruptions, missing, or strategies such as fixed:image:C, fixed:text:typos@3 or ' +
        'missing:image=0.3:text=0.1 (default: clean,fixed,random)',
    )
    .option('--ratios <list>', `ratios of the random and missing cells (default: ${PAPER_RATIOS.join(',')})`)
    .option('--manifest <file>', 'the disruptions of this manifest instead')
    .option('--seed <number>', 'seed of the disruptions (default: that of the run)', wholeNumber())
    .option('--checkpoint <file>', 'another checkpoint of the run (default: the best, else the last)')
    .addOption(engineOption({ note: 'that of the run' }))
    .option('--allow-download', 'fetch encoders that the run names and the cache lacks from the Hugging Face hub')
    .option(
      '--cache <folder>',
      'feature cache; s3://bucket/… shares one between machines',
      join(cacheFolder(), 'features'),
    )
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
    .option(
      '--explain <count>',
      'explain so many of them by words and parts of the image; some 60 judgments each',
      wholeNumber(0, 200),
      0,
    )
    .option('--details', 'classes and confusion matrix of every cell')
    .option('--track <server>', 'add the cells to the run on an MLflow server: mlflow:http://127.0.0.1:5000')
    .option('--quiet', 'no progress')
    .option('--json', 'print the results as JSON; no progress');
}

const GRID_EXAMPLES: readonly (readonly [string, string])[] = [
  [spell('eval grid smoke'), 'every kind of cell on embedded data, in minutes'],
  [spell('eval grid all --dataset.root DIR --out runs/grid'), "the paper's tables and Figure 5 on MVSA-Single"],
  [spell('eval grid table-1 figure-5 --methods drf,concatenation --seeds 0-2 --dr 0.6,1'), 'a part of it'],
  [
    spell('eval grid table-1 --folds 5 --methods drf,concatenation'),
    'every training post judged once, by cross-validation',
  ],
  [spell('eval grid table-1 --methods drf,concatenation,concatenation+simulation'), 'what simulation alone does'],
  [spell('eval grid table-1 --data posts.csv --folds 5 --out runs/mine'), 'which method is best on your own posts'],
  [spell('eval grid all --dataset.root DIR --dry-run'), 'how many trainings and cells, and how long'],
  [
    spell('eval grid all --dataset.root DIR --out DIR/grid --cache DIR/cache --on ray://HEAD:8265'),
    'over a Ray cluster whose machines share DIR',
  ],
  [
    spell('eval grid corruptions --dataset.root DIR --severities 1,3,5'),
    'what noise, blur, typos and more do to every method, beyond the paper',
  ],
  [
    spell('eval grid missing-rates --dataset.root DIR --trained-on none,missing:image=0.5,missing:text=0.5'),
    'rows by what is missing in training, columns by what is in testing',
  ],
  [spell('eval report runs/grid --out report.html'), 'the results as a page'],
];

/** `drf eval grid`. */
function createGridCommand(): Command {
  const command = new Command('grid')
    .description(
      "Trains and evaluates the paper's tables, and corruptions and missing rates beyond them, side by side into a result store; goes on where it stopped.",
    )
    .argument('<grids...>', `${GRID_NAMES.join(', ')}`)
    .option('--experiments <names>', 'experiments or their files, separated by commas (default: mvsa-s)')
    .option('--data <file>', 'your own posts instead; repeat it for files that are splits (train, val, test)', collect)
    .addOption(columnsOption())
    .option(
      '--methods <names>',
      `methods, separated by commas; NAME+simulation simulates disruptions, NAME+discriminants also has class-conditional Gaussians in the answer, drf-discriminants has none (default: all; image-only, text-only and late-fusion only in grids beyond the paper)`,
    )
    .option('--seeds <seeds>', `such as 0-4 or 0,2,7 (default: ${DEFAULT_SEEDS})`)
    .option('--settings <settings>', `of ${SETTINGS.join(', ')} (default: all)`)
    .option(
      '--modalities <modalities>',
      'of image, text, in modality-fixed cells, corruptions and missing rates (default: both)',
    )
    .option('--dr <ratios>', `ratios of modality-random cells, and missing rates (default: ${PAPER_RATIOS.join(',')})`)
    .option(
      '--corruptions <names>',
      `of ${Object.values(CORRUPTION_NAMES).flat().join(', ')}, in grid corruptions (default: all)`,
    )
    .option('--severities <list>', `of ${SEVERITIES.join(', ')}, in grid corruptions (default: all)`)
    .option(
      '--trained-on <strategies>',
      'what models of grids corruptions and missing-rates are trained on, each tested in all cells, such as ' +
        'none,random:0.6:typos,missing:image=0.5 (default: none; of missing-rates also missing:image=0.35:text=0.35)',
    )
    .option('--ablations <parts>', 'parts that Table 4 switches off (default: all five)')
    .option(
      '--ablated <method>',
      'the method whose parts they are (default: drf-paper where encoders are trained, else drf-adapted)',
    )
    .option('--split <name>', 'split to evaluate (default: test if it has posts, else val)', oneOf(SPLIT_NAMES))
    .option(
      '--folds <count>',
      'cross-validation: training and test posts in so many folds, each judged once',
      wholeNumber(2, MOST_FOLDS),
    )
    .option('--schedules <file>', `learning schedule of each method, as ${spell('eval schedule')} wrote it`)
    .option(
      '--out <folder>',
      'folder of the store and of the runs; unless --on local, one that all machines share',
      join('runs', 'grid'),
    )
    .option(
      '--cache <folder>',
      'feature cache; unless --on local, a folder that all machines share, or s3://bucket/…',
      join(cacheFolder(), 'features'),
    )
    .option('--jobs <count>', 'units at a time (default: as many as cores and memory allow)', wholeNumber(1))
    .option('--any-code', 'take results of any version of the code, instead of computing them again')
    .option('--dry-run', 'only say what would be done, and how long it would take')
    .option('--quiet', 'no progress')
    .option('--json', 'print the outcome as JSON; no progress');
  takeOwnModules(addConfigFlags(addRunnerOptions(command)));
  withExamples(command, GRID_EXAMPLES);
  return command.action(async (grids: string[], flags: GridFlags) =>
    (await import('./grid-action.js')).gridAction(grids, flags),
  );
}

const SCHEDULE_EXAMPLES: readonly (readonly [string, string])[] = [
  [spell('eval schedule --dataset.root DIR --seeds 0-2'), 'the best schedule of every method on MVSA-Single'],
  [
    spell('eval schedule --experiments quickstart-smoke --rates 1e-4,1e-3 --epochs 2'),
    'in seconds, to see how it works',
  ],
  [spell('eval grid all --dataset.root DIR --schedules schedules.json'), 'a grid that trains each method by its own'],
];

/** `drf eval schedule`. */
function createScheduleCommand(): Command {
  const command = new Command('schedule')
    .description('Tries the same learning schedules with every method and keeps the best on the validation split.')
    .option('--experiments <name>', 'an experiment or its file (default: mvsa-s)')
    .option('--data <file>', 'your own posts instead; repeat it for files that are splits (train, val, test)', collect)
    .option('--methods <names>', 'methods, separated by commas (default: all but image-only, text-only, late-fusion)')
    .option('--seeds <seeds>', 'such as 0-2 or 0,2,7', '0')
    .option('--rates <list>', 'learning rates to try, separated by commas', '1e-4,3e-4,1e-3')
    .option('--epochs <list>', 'numbers of epochs to try, separated by commas', '5,10')
    .option('--out <file>', 'file of the chosen schedules', 'schedules.json')
    .option('--store <folder>', 'folder of the trainings and their store', join('runs', 'schedule'))
    .option(
      '--cache <folder>',
      'feature cache; s3://bucket/… shares one between machines',
      join(cacheFolder(), 'features'),
    )
    .option('--jobs <count>', 'units at a time (default: as many as cores and memory allow)', wholeNumber(1))
    .option('--any-code', 'take results of any version of the code, instead of computing them again')
    .option('--dry-run', 'only say what would be done, and how long it would take')
    .option('--quiet', 'no progress')
    .option('--json', 'print the schedules as JSON; no progress');
  takeOwnModules(addConfigFlags(addRunnerOptions(command)));
  withExamples(command, SCHEDULE_EXAMPLES);
  return command.action(async (flags: ScheduleFlags) => (await import('./schedule-action.js')).scheduleAction(flags));
}

/** `drf eval report`. */
function createReportCommand(): Command {
  const command = new Command('report')
    .description('Shows a result store: tables here, and a page in one file with charts and posts.')
    .argument('<store>', 'folder of a grid, or its store')
    .option('--out <file>', 'the page', 'report.html')
    .option('--reference <method>', 'method that the others are compared with (default: drf)')
    .option('--projection <name>', `how Figure 6 is drawn: ${PROJECTIONS.join(', ')}`, oneOf(PROJECTIONS), 't-sne')
    .option('--posts <count>', 'posts to show of each cell', wholeNumber(0, 200), 8)
    .option('--no-charts', 'no SVG and PNG files of the charts (they go to FILE-charts/)')
    .option('--details', 'print every comparison')
    .option('--quiet', 'print no tables')
    .option('--json', 'print tables and comparisons as JSON');
  withExamples(command, [
    [spell('eval report runs/grid --out report.html'), 'the page, and the charts in report-charts/'],
    [spell('eval report runs/grid --reference drf-paper --details'), 'compared with another method'],
  ]);
  return command.action(async (path: string, flags: ReportFlags) =>
    (await import('./store-actions.js')).reportAction(path, flags),
  );
}

/** `drf eval results`. */
function createResultsCommand(): Command {
  const command = new Command('results')
    .description('Writes a result store as a page of Markdown, between marks: what stands around them stays.')
    .argument('<store>', 'folder of a grid, or its store')
    .option('--out <file>', 'the page', 'results.md')
    .option('--reference <method>', 'method that the others are compared with (default: drf)')
    .option('--tables <folder>', 'the tables, a file each (default: a folder called as the page)')
    .option('--charts <folder>', 'the charts, as SVG (default: charts, beside the page)');
  withExamples(command, [
    [spell('eval results runs/grid --out docs/results.md'), 'rewrites the part between the marks, and docs/results/'],
  ]);
  return command.action(async (path: string, flags: ResultsFlags) =>
    (await import('./store-actions.js')).resultsAction(path, flags),
  );
}

/** `drf eval merge`. */
function createMergeCommand(): Command {
  const command = new Command('merge')
    .description('Copies result stores into one: a grid that several machines shared, or versions of the code.')
    .argument('<stores...>', 'folders of grids, or their stores')
    .requiredOption('--out <folder>', 'folder of the store to fill; what it has stays')
    .option('--json', 'print the outcome as JSON');
  withExamples(command, [
    [spell('eval merge runs/grid-a runs/grid-b --out runs/grid'), 'a store that report and results read'],
  ]);
  return command.action(async (stores: string[], flags: MergeFlags) =>
    (await import('./store-actions.js')).mergeAction(stores, flags),
  );
}
