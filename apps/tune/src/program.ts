import { join } from 'node:path';
import { POST_COLUMNS } from '@drf/datasets/names';
import { addConfigFlags, takeOwnModules } from '@drf/experiment/options';
import { cacheFolder } from '@drf/files';
import {
  collect,
  createProgram,
  finiteNumber,
  InvalidArgumentError,
  spell,
  valuesByName,
  wholeNumber,
  type Command,
} from '@drf/terminal';
import { EXPERIMENTS } from '@drf/training/experiments';
import { DEFAULT_TRAININGS, type TuneFlags } from './flags.js';

/** `drf tune`. @param print takes what goes to standard output; progress and errors go to standard error */
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
  return program.action(async (experiment: string | undefined, flags: TuneFlags) =>
    (await import('./tune-action.js')).tuneAction(experiment, flags, print),
  );
}

const UNITS = { h: 3600, m: 60, s: 1 } as const;

/** `30m`, `1h30m`, `90s`, in seconds. */
function parseDuration(text: string): number {
  const [, ...parts] = /^(?:(\d+(?:\.\d+)?)h)?(?:(\d+(?:\.\d+)?)m)?(?:(\d+(?:\.\d+)?)s)?$/.exec(text.trim()) ?? [];
  const seconds = (['h', 'm', 's'] as const).reduce((sum, unit, i) => sum + UNITS[unit] * Number(parts[i] ?? 0), 0);
  if (seconds > 0) return seconds;
  throw new InvalidArgumentError(`expected a duration such as 30m, 1h30m or 90s, received "${text}"`);
}
