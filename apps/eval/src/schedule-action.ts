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
import { writeJsonAtomic } from '@drf/files';
import { EXIT, ExitRequest, formatTable, interruptSignal } from '@drf/terminal';
import { refuse } from './evaluate-command.js';
import {
  chosenMethods,
  experimentsOf,
  listOf,
  outcomeText,
  parseSeeds,
  plain,
  refuseOverruled,
  unitsOf,
} from './grid-action.js';
import type { ScheduleFlags } from './flags.js';

/** `drf eval schedule`. */
export async function scheduleAction(flags: ScheduleFlags): Promise<void> {
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
  const display = createGridDisplay(isQuiet);
  const interrupt = interruptSignal(() => {
    process.stderr.write('\nStopping; what is trained is stored (Ctrl-C again ends at once) …\n');
  });
  try {
    const outcome = await runGrid({
      grids: ['table-3'],
      axes: {
        methods,
        ablated: methods[0] as string,
        ablations: [],
        settings: [],
        modalities: [],
        ratios: [],
        corruptions: [],
        severities: [],
        trainedOn: null,
      },
      seeds,
      experiments: schedules.map((schedule) => under(experiment, schedule)),
      folder: flags.store,
      cache: flags.cache,
      ...(await unitsOf(flags, display)),
      split: 'val',
      jobs: flags.jobs,
      anyCode: flags.anyCode,
      dryRun: flags.dryRun,
      display,
      signal: interrupt.signal,
    });
    if (flags.json !== true) process.stdout.write(`${outcomeText(outcome, flags.dryRun === true)}\n`);
    if (outcome.interrupted) throw new ExitRequest(EXIT.interrupted);
    if (outcome.failures.length > 0) throw new ExitRequest(EXIT.failed); // fair only among the same candidates for all
    if (flags.dryRun === true || outcome.plan !== null) return;
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
