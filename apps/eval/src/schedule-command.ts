import { join } from 'node:path';
import {
  chooseSchedules,
  createGridDisplay,
  ResultStore,
  runGrid,
  schedulesOf,
  shownPath,
  under,
  type Schedules,
} from '@drf/evaluation';
import { addConfigFlags, takeOwnModules } from '@drf/experiment';
import { writeJsonAtomic, cacheFolder } from '@drf/files';
import {
  collect,
  Command,
  EXIT,
  ExitRequest,
  formatTable,
  interruptSignal,
  wholeNumber,
  withExamples,
  spell,
} from '@drf/terminal';
import { refuse } from './evaluate-command.js';
import {
  chosenMethods,
  experimentsOf,
  listOf,
  outcomeText,
  parseSeeds,
  plain,
  refuseOverruled,
  type GridFlags,
} from './grid-command.js';

interface ScheduleFlags extends GridFlags {
  readonly rates: string;
  readonly epochs: string;
  readonly store: string;
}

const EXAMPLES: readonly (readonly [string, string])[] = [
  [spell('eval schedule --dataset.root DIR --seeds 0-2'), 'the best schedule of every method on MVSA-Single'],
  [
    spell('eval schedule --experiments quickstart-smoke --rates 1e-4,1e-3 --epochs 2'),
    'in seconds, to see how it works',
  ],
  [spell('eval grid all --dataset.root DIR --schedules schedules.json'), 'a grid that trains each method by its own'],
];

/** `drf eval schedule`. */
export function createScheduleCommand(): Command {
  const command = new Command('schedule')
    .description('Tries the same learning schedules with every method and keeps the best on the validation split.')
    .option('--experiments <name>', 'an experiment or its file (default: mvsa-s)')
    .option('--data <file>', 'your own posts instead; repeat it for files that are splits (train, val, test)', collect)
    .option('--methods <names>', 'methods, separated by commas (default: all)')
    .option('--seeds <seeds>', 'such as 0-2 or 0,2,7', '0')
    .option('--rates <list>', 'learning rates to try, separated by commas', '1e-4,3e-4,1e-3')
    .option('--epochs <list>', 'numbers of epochs to try, separated by commas', '5,10')
    .option('--out <file>', 'file of the chosen schedules', 'schedules.json')
    .option('--store <folder>', 'folder of the trainings and their store', join('runs', 'schedule'))
    .option('--cache <folder>', 'feature cache', join(cacheFolder(), 'features'))
    .option('--jobs <count>', 'processes side by side (default: as cores and memory allow)', wholeNumber(1))
    .option('--any-code', 'take results of any version of the code, instead of computing them again')
    .option('--dry-run', 'only say what would be done, and how long it would take')
    .option('--quiet', 'no progress')
    .option('--json', 'print the schedules as JSON; no progress');
  takeOwnModules(addConfigFlags(command));
  withExamples(command, EXAMPLES);
  return command.action(scheduleAction);
}

async function scheduleAction(flags: ScheduleFlags): Promise<void> {
  refuseOverruled(flags, [
    ['training.learningRate', '--rates'],
    ['training.epochs', '--epochs'],
  ]);
  const schedules = schedulesOf(numbersOf('--rates', flags.rates), wholeNumbersOf('--epochs', flags.epochs));
  const methods = chosenMethods(flags.methods);
  const seeds = parseSeeds(flags.seeds ?? '0');
  const [experiment, ...others] = await experimentsOf(flags, false);
  if (experiment === undefined || others.length > 0) {
    throw refuse('--experiments', 'one experiment', flags.experiments ?? '', 'choose schedules for each on its own');
  }
  const isQuiet = flags.quiet === true || flags.json === true;
  const interrupt = interruptSignal(() => {
    process.stderr.write('\nStopping; what is trained is stored (Ctrl-C again ends at once) …\n');
  });
  try {
    const outcome = await runGrid({
      grids: ['table-3'],
      axes: { methods, ablated: methods[0] as string, ablations: [], settings: [], modalities: [], ratios: [] },
      seeds,
      experiments: schedules.map((schedule) => under(experiment, schedule)),
      folder: flags.store,
      cache: flags.cache,
      split: 'val',
      jobs: flags.jobs,
      anyCode: flags.anyCode,
      dryRun: flags.dryRun,
      display: createGridDisplay(isQuiet),
      signal: interrupt.signal,
    });
    if (flags.json !== true) process.stdout.write(`${outcomeText(outcome, flags.dryRun === true)}\n`);
    if (outcome.interrupted) throw new ExitRequest(EXIT.interrupted);
    if (outcome.failures.length > 0) throw new ExitRequest(EXIT.failed); // fair only among the same candidates for all
    if (flags.dryRun === true) return;
    const store = new ResultStore(flags.store, 'read');
    const { name } = plain(experiment);
    const cells = store.cells.filter(
      ({ testedOn, trainedOn, split }) => testedOn.kind === 'none' && trainedOn.kind === 'none' && split === 'val',
    );
    store.close();
    const content = chooseSchedules(cells, { experiment: name, methods, schedules, seeds });
    await writeJsonAtomic(flags.out, content);
    if (flags.json === true) process.stdout.write(`${JSON.stringify(content, null, 2)}\n`);
    else process.stdout.write(`${schedulesText(content)}\nWritten: ${shownPath(flags.out)}\n`);
  } finally {
    interrupt.release();
  }
}

function schedulesText({ posts, seeds, tried, methods }: Schedules): string {
  const rows = tried.map(({ method, learningRate, epochs, accuracy, weightedF1 }) => {
    const own = methods[method as keyof typeof methods]?.training;
    const isChosen = own?.learningRate === learningRate && own.epochs === epochs;
    const percent = (value: number): string => (100 * value).toFixed(1);
    return [
      method,
      String(learningRate),
      String(epochs),
      percent(accuracy),
      percent(weightedF1),
      isChosen ? 'chosen' : '',
    ];
  });
  const caption = `Mean over seeds ${seeds.join(', ')} on ${posts} validation posts (percent)`;
  return `${caption}\n${formatTable(['method', 'rate', 'epochs', 'accuracy', 'weighted F1', ''], rows)}`;
}

/** @throws ConfigurationError for what is no positive number */
function numbersOf(flag: string, text: string): number[] {
  return [...new Set(listOf(text).map(Number))].map((value) => {
    if (Number.isFinite(value) && value > 0) return value;
    throw refuse(flag, 'positive numbers, separated by commas', JSON.stringify(text), 'write them like 1e-4,3e-4');
  });
}

function wholeNumbersOf(flag: string, text: string): number[] {
  const values = numbersOf(flag, text);
  if (values.every(Number.isSafeInteger)) return values;
  throw refuse(flag, 'whole numbers, separated by commas', JSON.stringify(text), 'write them like 5,10');
}
