import { join } from 'node:path';
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
import { configFlags, mergeConfig, overridesFrom, valueOfOption } from '@drf/experiment';
import { EXIT, ExitRequest, interruptSignal, startJob, spell } from '@drf/terminal';
import { chooseExperiment } from '@drf/training';

import { DEFAULT_TRAININGS, type TuneFlags } from './flags.js';

/** `drf tune`. */
export async function tuneAction(
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
  const choice = { experiment, data, overrides, onProgress: reading.update };
  const { configure } = await chooseExperiment(choice).finally(reading.stop);
  const { name, method, seed } = configure({});
  const space: readonly Dimension[] = searched ?? defaultSpace(configure({}), isGiven);
  assertSpace(space, isGiven);
  const display = createGridDisplay(isQuiet);
  display.say(`Searching:\n${space.map((own) => `  ${own.name}: ${describeDimension(own)}`).join('\n')}`);
  const interrupt = interruptSignal(() => {
    process.stderr.write('\nStopping; what is found is kept, the same command goes on (Ctrl-C again ends at once) …\n');
  });
  try {
    const summary = await runTune({
      experiment: configure,
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
