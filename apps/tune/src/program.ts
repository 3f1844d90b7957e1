import { join } from 'node:path';
import { POST_COLUMNS, type ColumnNames } from '@drf/datasets';
import {
  assertSpace,
  createGridDisplay,
  defaultSpace,
  describeDimension,
  parseSearch,
  runTune,
  tuneText,
  type Dimension,
} from '@drf/evaluation';
import {
  addConfigFlags,
  configFlags,
  mergeConfig,
  overridesFrom,
  takeOwnModules,
  valueOfOption,
} from '@drf/experiment';
import {
  collect,
  createProgram,
  EXIT,
  ExitRequest,
  finiteNumber,
  interruptSignal,
  InvalidArgumentError,
  spell,
  startJob,
  valuesByName,
  wholeNumber,
  type Command,
} from '@drf/terminal';
import { cacheFolder } from '@drf/files';
import { chooseExperiment, EXPERIMENTS } from '@drf/training';

interface TuneFlags extends Record<string, unknown> {
  readonly data?: readonly string[];
  readonly columns?: ColumnNames;
  readonly search?: readonly string[];
  readonly trainings?: number;
  readonly time?: number;
  readonly eta: number;
  readonly jobs?: number;
  readonly out?: string;
  readonly overwrite?: boolean;
  readonly cache: string;
  readonly own?: readonly string[];
  readonly quiet?: boolean;
  readonly json?: boolean;
}

/** Trainings where neither they nor the time is limited. */
const DEFAULT_TRAININGS = 20;

/** The command that tunes. @param print takes what goes to standard output; progress and errors go to standard error */
export function createTuneProgram(print: (text: string) => void = (text) => void process.stdout.write(text)): Command {
  const program = createProgram(
    'tune',
    'Searches options of a training: many are trained for few epochs, the best of them go on.',
    [
      [spell('tune --data posts.csv'), 'the usual options, around what training would take'],
      [spell('tune --data posts.csv --time 30m'), 'for half an hour, then the best one is trained to its end'],
      [
        spell(
          'tune --data posts.csv --search training.learning-rate=1e-5..1e-3:log --search model.dim=64,128,256 --trainings 40',
        ),
        'options and ranges of your own',
      ],
      [spell('tune mvsa-s --dataset.root DIR --method mvan --time 2h'), 'any experiment, any method'],
      [spell('tune quickstart-smoke --trainings 4'), 'in seconds, to see how it works'],
      [spell('eval runs/tune/posts-drf-seed0/best'), 'the best run on the test posts, which tuning does not look at'],
    ],
  )
    .argument('[experiment]', `${[...EXPERIMENTS.keys()].join(', ')}, or a .json, .js or .ts file`)
    .option('--data <file>', 'your own posts; repeat it for files that are splits (train, val, test)', collect)
    .option(
      '--columns <names>',
      `which column is which, of ${POST_COLUMNS.join(', ')}, such as text=body,label=mood; id= for none`,
      valuesByName(POST_COLUMNS, 'text=body,label=mood'),
    )
    .option(
      '--search <option=range>',
      'what to search, repeat it for more: NAME=LOW..HIGH, NAME=LOW..HIGH:log or NAME=VALUE,VALUE (default: learning rate, epochs, width and weight decay)',
      collect,
    )
    .option(
      '--trainings <count>',
      `most trials, the experiment as it is among them (default: ${DEFAULT_TRAININGS}, or as many as --time lets)`,
      wholeNumber(2, 10_000),
    )
    .option(
      '--time <duration>',
      'such as 30m or 1h30m: then no trial begins any more, and the best one is trained to its end',
      parseDuration,
    )
    .option(
      '--eta <factor>',
      'one of so many trials goes on from rung to rung; 1 trains all in full',
      finiteNumber(1, 10),
      3,
    )
    .option('--jobs <count>', 'processes side by side (default: as cores and memory allow)', wholeNumber(1))
    .option('--out <folder>', 'folder of the tuning (default: runs/tune/NAME-METHOD-seedSEED)')
    .option('--overwrite', 'start anew in a folder that holds a tuning; without it, the same command goes on')
    .option('--cache <folder>', 'feature cache', join(cacheFolder(), 'features'))
    .option('--quiet', 'no progress')
    .option('--json', 'print the result as JSON; no progress');
  takeOwnModules(addConfigFlags(program));
  return program.action((experiment: string | undefined, flags: TuneFlags) => tuneAction(experiment, flags, print));
}

async function tuneAction(
  experiment: string | undefined,
  flags: TuneFlags,
  print: (text: string) => void,
): Promise<void> {
  const { data, columns, time: seconds, eta, jobs, overwrite, cache } = flags;
  const isQuiet = flags.quiet === true || flags.json === true;
  const named = columns === undefined ? {} : { dataset: { columns } };
  const overrides = mergeConfig(named, overridesFrom(flags)) as Record<string, unknown>;
  const isGiven = (path: readonly string[]): boolean => valueOfOption(overrides, path) !== undefined;
  const searched = flags.search?.map(parseSearch);
  if (searched !== undefined) assertSpace(searched, isGiven); // before posts are read
  const reading = startJob({ label: 'Reading posts', unit: 'posts', silent: isQuiet });
  const chosen = await chooseExperiment({ experiment, data, overrides, onProgress: reading.update }).finally(
    reading.stop,
  );
  const { name, method, seed } = chosen({});
  const space: readonly Dimension[] = searched ?? defaultSpace(chosen({}), isGiven);
  assertSpace(space, isGiven);
  const display = createGridDisplay(isQuiet);
  display.say(`Searching:\n${space.map((own) => `  ${own.name}: ${describeDimension(own)}`).join('\n')}`);
  const interrupt = interruptSignal(() => {
    process.stderr.write('\nStopping; what is found is kept, the same command goes on (Ctrl-C again ends at once) …\n');
  });
  try {
    const summary = await runTune({
      experiment: chosen,
      space,
      folder: flags.out ?? join('runs', 'tune', `${name}-${method}-seed${seed}`),
      cache,
      trainings: flags.trainings ?? (seconds === undefined ? DEFAULT_TRAININGS : undefined),
      seconds,
      eta,
      jobs,
      overwrite,
      command: commandOf(experiment, flags),
      display,
      signal: interrupt.signal,
    });
    print(flags.json === true ? `${JSON.stringify(summary, null, 2)}\n` : `${tuneText(summary)}\n`);
    if (summary.outcome === 'interrupted') throw new ExitRequest(EXIT.interrupted);
  } finally {
    interrupt.release();
  }
}

/** What trains the experiment without tuning. */
function commandOf(experiment: string | undefined, flags: TuneFlags): string[] {
  const { data = [], columns, own = [] } = flags;
  const pairs = Object.entries(columns ?? {}).map(([column, name]) => `${column}=${name}`);
  return [
    ...spell('train').split(' '),
    ...(experiment === undefined ? [] : [experiment]),
    ...data.flatMap((file) => ['--data', file]),
    ...(pairs.length === 0 ? [] : ['--columns', pairs.join(',')]),
    ...own.flatMap((module) => ['--own', module]),
    ...configFlags(flags).flat(),
  ];
}

const UNITS = { h: 3600, m: 60, s: 1 } as const;

/** `30m`, `1h30m`, `90s`, in seconds. */
function parseDuration(text: string): number {
  const [, ...parts] = /^(?:(\d+(?:\.\d+)?)h)?(?:(\d+(?:\.\d+)?)m)?(?:(\d+(?:\.\d+)?)s)?$/.exec(text.trim()) ?? [];
  const seconds = (['h', 'm', 's'] as const).reduce((sum, unit, i) => sum + UNITS[unit] * Number(parts[i] ?? 0), 0);
  if (seconds > 0) return seconds;
  throw new InvalidArgumentError(`expected a duration such as 30m, 1h30m or 90s, received "${text}"`);
}
