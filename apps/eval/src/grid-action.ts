import {
  CORRUPTION_NAMES,
  PAPER_RATIOS,
  parseStrategy,
  SETTINGS,
  SEVERITIES,
  type CorruptionName,
  type Setting,
} from '@drf/disruption';
import {
  ABLATION_SWITCHES,
  createGridDisplay,
  GRID_NAMES,
  gridsWith,
  PAPER_METHODS,
  parseRatios,
  readSchedules,
  runGrid,
  splitVariant,
  VARIANTS,
  SMOKE,
  variantName,
  type AblationSwitch,
  type GridAxes,
  type GridDisplay,
  type GridExperiment,
  type GridName,
  type GridOptions,
  type GridOutcome,
  type Schedules,
} from '@drf/evaluation';
import {
  mergeConfig,
  METHOD_NAMES,
  overridesFrom,
  parseForMethod,
  trainsEncoders,
  type ExperimentConfig,
  type MethodName,
} from '@drf/experiment';
import { isModulePath } from '@drf/files';
import { isOwnId, MODALITIES, ownDefinition, type Modality } from '@drf/tensor';
import { EXIT, ExitRequest, formatDuration, formatTable, interruptSignal, suggestion } from '@drf/terminal';
import { chooseRunner, unitResources } from '@drf/units';
import { openOwnData, ownConfig, ownExperiment, readExperiment } from '@drf/training';
import { refuse } from './evaluate-command.js';
import { DEFAULT_SEEDS, type GridFlags } from './flags.js';

/** Source runs from source, the built app from what was built. */
const UNIT_PROGRAM = new URL(`./unit${import.meta.url.endsWith('.ts') ? '.ts' : '.js'}`, import.meta.url);

/** Where and how units are done, as `--on` and its companions say. */
export async function unitsOf(
  flags: GridFlags,
  { say }: GridDisplay,
): Promise<Pick<GridOptions, 'program' | 'runner' | 'resources'>> {
  const runner = await chooseRunner(flags, say);
  return { program: UNIT_PROGRAM, runner, resources: (usual) => unitResources(flags, usual) };
}

/** `drf eval grid`. */
export async function gridAction(names: readonly string[], flags: GridFlags): Promise<void> {
  const grids = [...new Set(names.map(gridName))];
  const isSmoke = grids.includes('smoke');
  if (isSmoke && grids.length > 1)
    throw refuse('grid smoke', 'no other grid beside it', names.join(' '), 'run it alone');
  refuseOverruled(flags);
  const interrupt = interruptSignal(() => {
    process.stderr.write('\nStopping; what is trained is stored (Ctrl-C again ends at once) …\n');
  });
  const display = createGridDisplay(flags.quiet === true || flags.json === true);
  try {
    const experiments = await experimentsOf(flags, isSmoke);
    const outcome = await runGrid({
      grids,
      axes: axesOf(flags, grids, experiments),
      seeds: parseSeeds(flags.seeds ?? (isSmoke ? `0-${SMOKE.seeds - 1}` : DEFAULT_SEEDS)),
      experiments,
      folds: flags.folds,
      folder: flags.out,
      cache: flags.cache,
      ...(await unitsOf(flags, display)),
      split: flags.split ?? null,
      jobs: flags.jobs,
      anyCode: flags.anyCode,
      dryRun: flags.dryRun,
      display,
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
    const { data } = await openOwnData({ files, overrides: given });
    const posts = data.splits.train.length;
    const base = { ...ownExperiment(posts) };
    const scheduled = { ...base, methods: mergeConfig(base.methods, schedules.methods) };
    const over = (overrides: unknown): Record<string, unknown> =>
      mergeConfig(given, overrides) as Record<string, unknown>;
    return [(overrides) => ownConfig({ files, experiment: scheduled, overrides: over(overrides) }, posts)];
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
    const { method, variant = '' } = splitVariant(name);
    return `${isModulePath(method) ? ownDefinition(method, 'method').id : method}${variant}`;
  });
}

/** The methods that a grid names, this repository's and the user's own, by their ids. */
export function chosenMethods(text: string | undefined, suffixes: readonly string[] = ['']): string[] {
  const names = text === undefined ? undefined : byIds(text);
  const plainNames = (names ?? []).map((name) => splitVariant(name).method);
  const known = [...METHOD_NAMES, ...plainNames.filter(isOwnId)].flatMap((name) => suffixes.map((end) => name + end));
  return chosen('--methods', names?.join(','), known, PAPER_METHODS);
}

/** @throws ConfigurationError for a flag that makes no difference to any of the grids */
function refuseUnused(flags: GridFlags, grids: readonly GridName[]): void {
  const axes = [
    ['--ablated', 'ablated', flags.ablated],
    ['--ablations', 'ablations', flags.ablations],
    ['--settings', 'settings', flags.settings],
    ['--modalities', 'modalities', flags.modalities],
    ['--dr', 'ratios', flags.dr],
    ['--corruptions', 'corruptions', flags.corruptions],
    ['--severities', 'severities', flags.severities],
    ['--trained-on', 'trainedOn', flags.trainedOn],
  ] as const;
  for (const [flag, axis, text] of axes) {
    const having = gridsWith(axis);
    if (text === undefined || grids.some((name) => having.includes(name))) continue;
    throw refuse(flag, `a grid that it narrows: ${having.join(', ')}`, grids.join(', '), 'leave it out');
  }
}

/** What the flags narrow grids to. @throws ConfigurationError for unknown names, and flags that no grid here has use for */
export function axesOf(flags: GridFlags, grids: readonly GridName[], experiments: readonly GridExperiment[]): GridAxes {
  const isSmoke = grids.includes('smoke');
  refuseUnused(flags, grids);
  const severities = chosen('--severities', flags.severities, SEVERITIES.map(String));
  const ablations = chosen('--ablations', flags.ablations, ABLATION_SWITCHES.map(variantName));
  const smokeParts: readonly AblationSwitch[] = SMOKE.ablations;
  return {
    methods: flags.methods === undefined ? null : chosenMethods(flags.methods, ['', ...VARIANTS]),
    ablated: chosen('--ablated', flags.ablated, METHOD_NAMES, [usuallyAblated(experiments)])[0] as string,
    ablations:
      flags.ablations === undefined && isSmoke
        ? smokeParts
        : ABLATION_SWITCHES.filter((part) => ablations.includes(variantName(part))),
    settings: chosen<Setting>('--settings', flags.settings, SETTINGS),
    modalities: chosen<Modality>('--modalities', flags.modalities, MODALITIES),
    ratios: flags.dr === undefined ? (isSmoke ? SMOKE.ratios : PAPER_RATIOS) : parseRatios(flags.dr),
    corruptions: chosen<CorruptionName>('--corruptions', flags.corruptions, Object.values(CORRUPTION_NAMES).flat()),
    severities: SEVERITIES.filter((severity) => severities.includes(String(severity))),
    trainedOn: flags.trainedOn === undefined ? null : listOf(flags.trainedOn).map(parseStrategy),
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
  const { planned, due, done, failures, seconds, secondsATraining, interrupted, store, plan } = outcome;
  const lines = [
    `Planned: ${planned.trainings} trainings, ${planned.cells} cells; of these ${planned.cells - due.cells} cells were there already.`,
  ];
  if (isDryRun) {
    const time = outcome.estimatedSeconds;
    lines.push(
      `To do:   ${due.trainings} trainings, ${due.cells} cells, from ${due.featureSets} feature sets, ${outcome.workers ?? 'as many as fit'} side by side.`,
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
  if (plan !== null) lines.push(`Plan:    ${plan.location}; when its units are done, the same command takes them in.`);
  lines.push(`Store:   ${store}`);
  return lines.join('\n');
}

const LINE = 90;

/** A reason in lines that a terminal takes. */
function wrapped(text: string): string {
  return text.replaceAll(new RegExp(`(.{1,${LINE}})(\\s+|$)`, 'g'), '$1\n').trimEnd();
}
