import { join } from 'node:path';
import { SPLIT_NAMES, type SplitName, type ColumnNames } from '@drf/datasets';
import { PAPER_RATIOS, SETTINGS, type Setting } from '@drf/disruption';
import {
  ABLATION_SWITCHES,
  createGridDisplay,
  GRID_NAMES,
  parseRatios,
  readSchedules,
  runGrid,
  SIMULATED,
  SMOKE,
  variantName,
  type AblationSwitch,
  type GridAxes,
  type GridExperiment,
  type GridName,
  type GridOutcome,
  type Schedules,
} from '@drf/evaluation';
import {
  addConfigFlags,
  mergeConfig,
  METHOD_NAMES,
  overridesFrom,
  parseForMethod,
  takeOwnModules,
  trainsEncoders,
  type ExperimentConfig,
  type MethodName,
} from '@drf/experiment';
import { isModulePath, cacheFolder } from '@drf/files';
import { isOwnId, MODALITIES, ownDefinition, type Modality } from '@drf/tensor';
import {
  collect,
  Command,
  EXIT,
  ExitRequest,
  formatDuration,
  formatTable,
  interruptSignal,
  oneOf,
  suggestion,
  wholeNumber,
  withExamples,
  spell,
} from '@drf/terminal';
import { openOwnData, ownConfig, ownExperiment, readExperiment } from '@drf/training';
import { refuse } from './evaluate-command.js';
import { columnsOption } from './options.js';

export interface GridFlags extends Record<string, unknown> {
  readonly experiments?: string;
  readonly data?: readonly string[];
  readonly columns?: ColumnNames;
  readonly methods?: string;
  readonly seeds?: string;
  readonly settings?: string;
  readonly modalities?: string;
  readonly dr?: string;
  readonly ablations?: string;
  readonly ablated?: string;
  readonly split?: SplitName;
  readonly folds?: number;
  readonly schedules?: string;
  readonly out: string;
  readonly cache: string;
  readonly jobs?: number;
  readonly anyCode?: boolean;
  readonly dryRun?: boolean;
  readonly quiet?: boolean;
  readonly json?: boolean;
}

const EXAMPLES: readonly (readonly [string, string])[] = [
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
  [spell('eval report runs/grid --out report.html'), 'the results as a page'],
];

const DEFAULT_SEEDS = '0-4';
const MOST_FOLDS = 100;

/** `drf eval grid`. */
export function createGridCommand(): Command {
  const command = new Command('grid')
    .description("Trains and evaluates the paper's tables side by side into a result store; goes on where it stopped.")
    .argument('<grids...>', `${GRID_NAMES.join(', ')}`)
    .option('--experiments <names>', 'experiments or their files, separated by commas (default: mvsa-s)')
    .option('--data <file>', 'your own posts instead; repeat it for files that are splits (train, val, test)', collect)
    .addOption(columnsOption())
    .option('--methods <names>', `methods, separated by commas; NAME${SIMULATED} simulates disruptions (default: all)`)
    .option('--seeds <seeds>', `such as 0-4 or 0,2,7 (default: ${DEFAULT_SEEDS})`)
    .option('--settings <settings>', `of ${SETTINGS.join(', ')} (default: all)`)
    .option('--modalities <modalities>', 'of image, text, in modality-fixed cells (default: both)')
    .option('--dr <ratios>', `ratios of modality-random cells (default: ${PAPER_RATIOS.join(',')})`)
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
    .option('--out <folder>', 'folder of the store and of the runs', join('runs', 'grid'))
    .option('--cache <folder>', 'feature cache', join(cacheFolder(), 'features'))
    .option('--jobs <count>', 'processes side by side (default: as cores and memory allow)', wholeNumber(1))
    .option('--any-code', 'take results of any version of the code, instead of computing them again')
    .option('--dry-run', 'only say what would be done, and how long it would take')
    .option('--quiet', 'no progress')
    .option('--json', 'print the outcome as JSON; no progress');
  takeOwnModules(addConfigFlags(command));
  withExamples(command, EXAMPLES);
  return command.action((grids: string[], flags: GridFlags) => gridAction(grids, flags));
}

async function gridAction(names: readonly string[], flags: GridFlags): Promise<void> {
  const grids = [...new Set(names.map(gridName))];
  const isSmoke = grids.includes('smoke');
  if (isSmoke && grids.length > 1)
    throw refuse('grid smoke', 'no other grid beside it', names.join(' '), 'run it alone');
  refuseOverruled(flags);
  const interrupt = interruptSignal(() => {
    process.stderr.write('\nStopping; what is trained is stored (Ctrl-C again ends at once) …\n');
  });
  try {
    const experiments = await experimentsOf(flags, isSmoke);
    const outcome = await runGrid({
      grids,
      axes: axesOf(flags, isSmoke, experiments),
      seeds: parseSeeds(flags.seeds ?? (isSmoke ? `0-${SMOKE.seeds - 1}` : DEFAULT_SEEDS)),
      experiments,
      folds: flags.folds,
      folder: flags.out,
      cache: flags.cache,
      split: flags.split ?? null,
      jobs: flags.jobs,
      anyCode: flags.anyCode,
      dryRun: flags.dryRun,
      display: createGridDisplay(flags.quiet === true || flags.json === true),
      signal: interrupt.signal,
    });
    if (flags.json === true) process.stdout.write(`${JSON.stringify(outcome, null, 2)}\n`);
    else process.stdout.write(`${outcomeText(outcome, flags.dryRun === true)}\n`);
    if (outcome.interrupted) throw new ExitRequest(EXIT.interrupted);
    if (outcome.failures.length > 0) throw new ExitRequest(EXIT.failed);
  } finally {
    interrupt.release();
  }
}

function gridName(name: string): GridName {
  const known = GRID_NAMES.find((candidate) => candidate === name);
  if (known !== undefined) return known;
  throw refuse('grid', 'a known grid', `"${name}"`, suggestion(name, GRID_NAMES));
}

/** What the grid itself varies is no option of its experiments. */
export function refuseOverruled(
  flags: GridFlags,
  further: readonly (readonly [flag: string, instead: string])[] = [],
): void {
  if (flags.folds !== undefined && flags.split !== undefined && flags.split !== 'test') {
    throw refuse('--split', 'test or nothing beside --folds', flags.split, 'folds are judged on their own test split');
  }
  const overruled: readonly (readonly [flag: string, instead: string])[] = [
    ['method', '--methods'],
    ['seed', '--seeds'],
    ['name', '--experiments'],
    ['dataset.folds', '--folds'],
    ['dataset.fold', '--folds, which goes through all of them'],
    ['training.disruption', 'a named grid'],
    ...further,
  ];
  for (const [flag, instead] of overruled) {
    if (flags[flag] !== undefined)
      throw refuse(`--${flag}`, 'not to be given to a grid', String(flags[flag]), `use ${instead}`);
  }
}

export async function experimentsOf(flags: GridFlags, isSmoke: boolean): Promise<GridExperiment[]> {
  const names = listOf(flags.experiments ?? (isSmoke ? 'quickstart-smoke' : 'mvsa-s'));
  const named = flags.columns === undefined ? {} : { dataset: { columns: flags.columns } };
  const given = mergeConfig(named, overridesFrom(flags)) as Record<string, unknown>;
  const schedules: Partial<Pick<Schedules, 'methods'>> =
    flags.schedules === undefined ? {} : await readSchedules(flags.schedules);
  if (flags.data !== undefined) {
    if (flags.experiments !== undefined || isSmoke) {
      const beside = isSmoke ? 'smoke' : `--experiments ${flags.experiments}`;
      throw refuse('--data', 'no other experiments beside it', beside, 'leave one of them out');
    }
    const files = flags.data;
    const { data } = await openOwnData(files, undefined, given);
    const posts = data.splits.train.length;
    const base = { ...ownExperiment(posts) };
    const scheduled = { ...base, methods: mergeConfig(base.methods, schedules.methods) };
    return [
      (overrides) => ownConfig(files, scheduled, mergeConfig(given, overrides) as Record<string, unknown>, posts),
    ];
  }
  return Promise.all(
    names.map(async (name): Promise<GridExperiment> => {
      const file = await readExperiment(name);
      return (overrides) => parseForMethod(file, [schedules, given, overrides], `Experiment ${name}`);
    }),
  );
}

/** An experiment before anything is laid over it. */
export function plain(experiment: GridExperiment, method = 'drf'): ExperimentConfig {
  return experiment({ method, seed: 0, training: { disruption: 'none' }, model: { ablations: {} } });
}

/**
 * The form of DRF whose parts Table 4 switches off: the paper's to the letter in its own setting; over frozen encoders
 * the one that learns there in few epochs.
 */
function usuallyAblated(experiments: readonly GridExperiment[]): MethodName {
  return experiments.every((experiment) => trainsEncoders(plain(experiment))) ? 'drf-paper' : 'drf-adapted';
}

/** Methods, those of the user's own, which were loaded, by their ids. */
function byIds(text: string): string[] {
  return listOf(text).map((name) => {
    const suffix = name.endsWith(SIMULATED) ? SIMULATED : '';
    const method = name.slice(0, name.length - suffix.length);
    return `${isModulePath(method) ? ownDefinition(method, 'method').id : method}${suffix}`;
  });
}

/** The methods that a grid names, this repository's and the user's own, by their ids. */
export function chosenMethods(text: string | undefined, suffixes: readonly string[] = ['']): string[] {
  const names = text === undefined ? undefined : byIds(text);
  const plainNames = (names ?? []).map((name) => (name.endsWith(SIMULATED) ? name.slice(0, -SIMULATED.length) : name));
  const known = [...METHOD_NAMES, ...plainNames.filter(isOwnId)].flatMap((name) => suffixes.map((end) => name + end));
  return chosen('--methods', names?.join(','), known, METHOD_NAMES);
}

function axesOf(flags: GridFlags, isSmoke: boolean, experiments: readonly GridExperiment[]): GridAxes {
  const ablations = chosen('--ablations', flags.ablations, ABLATION_SWITCHES.map(variantName));
  const smokeParts: readonly AblationSwitch[] = SMOKE.ablations;
  return {
    methods: chosenMethods(flags.methods, ['', SIMULATED]),
    ablated: chosen('--ablated', flags.ablated, METHOD_NAMES, [usuallyAblated(experiments)])[0] as string,
    ablations:
      flags.ablations === undefined && isSmoke
        ? smokeParts
        : ABLATION_SWITCHES.filter((part) => ablations.includes(variantName(part))),
    settings: chosen<Setting>('--settings', flags.settings, SETTINGS),
    modalities: chosen<Modality>('--modalities', flags.modalities, MODALITIES),
    ratios: flags.dr === undefined ? (isSmoke ? SMOKE.ratios : PAPER_RATIOS) : parseRatios(flags.dr),
  };
}

export function listOf(text: string): string[] {
  return text.split(',').map((part) => part.trim());
}

/** Names of a list that are known, in the order given. @throws ConfigurationError naming the nearest to an unknown one */
function chosen<Name extends string>(
  flag: string,
  text: string | undefined,
  known: readonly Name[],
  otherwise: readonly Name[] = known,
): Name[] {
  if (text === undefined) return [...otherwise];
  return [...new Set(listOf(text))].map((name) => {
    const found = known.find((candidate) => candidate === name);
    if (found !== undefined) return found;
    throw refuse(flag, `names of ${known.join(', ')}`, `"${name}"`, suggestion(name, known));
  });
}

const MOST_SEEDS = 1000;

/** `0-4`, `0,2,7`, `0-2,9`. @throws ConfigurationError for anything else */
export function parseSeeds(text: string): number[] {
  const seeds = listOf(text).flatMap((part) => {
    const [, first, last = first] = /^(\d+)(?:-(\d+))?$/.exec(part) ?? [];
    const [from, to] = [Number(first), Number(last)];
    if (first === undefined || !Number.isSafeInteger(to) || to < from || to - from >= MOST_SEEDS) {
      throw refuse(
        '--seeds',
        'whole numbers or ranges, separated by commas',
        `"${part}"`,
        'write them like 0-4 or 0,2,7',
      );
    }
    return Array.from({ length: to - from + 1 }, (_, i) => from + i);
  });
  return [...new Set(seeds)].sort((first, second) => first - second);
}

export function outcomeText(outcome: GridOutcome, isDryRun: boolean): string {
  const { planned, due, done, failures, seconds, secondsATraining, interrupted, store } = outcome;
  const lines = [
    `Planned: ${planned.trainings} trainings, ${planned.cells} cells; of these ${planned.cells - due.cells} cells were in the store.`,
  ];
  if (isDryRun) {
    const time = outcome.estimatedSeconds;
    lines.push(
      `To do:   ${due.trainings} trainings, ${due.cells} cells, from ${due.featureSets} feature sets, ${outcome.workers} side by side.`,
      `Time:    ${time === null ? 'unknown: the store has no like training yet' : `${formatDuration(time)} for the trainings`}.`,
    );
    return lines.join('\n');
  }
  const each = secondsATraining === null ? '' : `, ${secondsATraining.toFixed(1)} s a training`;
  lines.push(`Done:    ${done.trainings} trainings, ${done.cells} cells in ${formatDuration(seconds)}${each}.`);
  if (failures.length > 0) {
    lines.push(
      `Failed:`,
      formatTable(
        ['what', 'why'],
        failures.map(({ what, reason }) => [what, wrapped(reason)]),
      ),
    );
  }
  if (interrupted) lines.push('Interrupted; the same command goes on.');
  lines.push(`Store:   ${store}`);
  return lines.join('\n');
}

const LINE = 90;

/** A reason in lines that a terminal takes. */
function wrapped(text: string): string {
  return text.replaceAll(new RegExp(`(.{1,${LINE}})(\\s+|$)`, 'g'), '$1\n').trimEnd();
}
