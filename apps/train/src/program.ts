import { join } from 'node:path';
import { POST_COLUMNS } from '@drf/datasets/names';
import { addConfigFlags, takeOwnModules } from '@drf/experiment/options';
import { cacheFolder } from '@drf/files';
import { collect, createProgram, oneOf, spell, valuesByName, wholeNumber, Option, type Command } from '@drf/terminal';
import { EXPERIMENTS, PRESET_NAMES, presetsText } from '@drf/training/experiments';
import type { MainOptions } from './flags.js';

/** A command in several processes; in a clone without `pnpm`, which would have each of them look after the build. */
function launched(words: string, hosts = '-n 4'): string {
  return `mpirun ${hosts} ${spell(words).replace(/^pnpm train\b/, 'node apps/train/dist/main.js')} --distributed mpi`;
}

/** The command that trains. */
export function createTrainProgram(): Command {
  const program = createProgram('train', 'Trains a sentiment model on image-text posts.', [
    [spell('train quickstart'), 'the embedded data; nothing is downloaded'],
    [spell('train mvsa-s --dataset.root DIR --seed 1'), 'DRF on MVSA-Single'],
    [spell('train mvsa-s --dataset.root DIR --method concatenation'), 'the simplest method to compare with'],
    [spell('train mvsa-s --dataset.root DIR --training.disruption random:0.6:C+D'), 'with disrupted posts'],
    [spell('train --data my.csv'), 'your own posts: image paths, texts and labels, in CSV, JSON Lines or Parquet'],
    [spell('train --data my.csv --columns text=body,label=mood'), 'whose columns have other names'],
    [spell('train --data train.csv --data test.csv'), 'in files that are splits'],
    [spell('train --data my.csv --preset balanced'), 'options by what a training may cost'],
    [spell('train --data my.csv --preset best --dry-run'), 'what that will take, before it is begun'],
    [spell('train --data my.csv --dataset.folds 5 --dataset.fold all'), 'five runs that judge together as an ensemble'],
    [spell('train my-experiment.json --out runs/mine'), 'your own experiment file'],
    [spell('train mvsa-s --dataset.root DIR --dry-run'), 'what it will take in time, memory and disk; writes nothing'],
    [spell('train --resume runs/mvsa-s-drf-seed0'), 'go on where an interrupted run stopped'],
    [launched('train mvsa-s --dataset.root DIR'), 'in 4 processes that compute each step together, by Open MPI'],
    [launched('train --resume runs/mvsa-s-drf-seed0', '--host a:1,b:1'), 'go on, on two hosts'],
  ])
    .argument('[experiment]', `${[...EXPERIMENTS.keys()].join(', ')}, or a .json, .js or .ts file`)
    .option('--data <file>', 'your own posts; repeat it for files that are splits (train, val, test)', collect)
    .option(
      '--columns <names>',
      `which column is which, of ${POST_COLUMNS.join(', ')}, such as text=body,label=mood; id= for none`,
      valuesByName(POST_COLUMNS, 'text=body,label=mood'),
    )
    .option(
      '--preset <name>',
      `options by what a training may cost: ${PRESET_NAMES.join(', ')} (below)`,
      oneOf(PRESET_NAMES),
    )
    .option(
      '--out <folder>',
      'run folder, or s3://bucket/…, which gets each checkpoint (default: runs/NAME-METHOD-seedSEED)',
    )
    .option('--overwrite', 'start anew when the run folder holds a run')
    .option('--resume <run>', 'go on with an interrupted run, exactly as if it had not stopped')
    .option(
      '--allow-download',
      'with --resume: fetch encoders that the run names and the cache lacks from the Hugging Face hub',
    )
    .option(
      '--dry-run',
      'say what the training will take in time, memory and disk, measured by some posts and steps here; write nothing',
    )
    .option('--stop-after <epochs>', 'stop after so many epochs in all, as if interrupted', wholeNumber(1))
    .option(
      '--examples <count>',
      'test posts to keep in the run, with text and small image, for its page (default: 6 of your own posts, none of public data sets)',
      wholeNumber(0, 100),
    )
    .option(
      '--cache <folder>',
      'feature cache; s3://bucket/… shares one between machines',
      join(cacheFolder(), 'features'),
    )
    .addOption(
      new Option(
        '--distributed <how>',
        'train in the processes that mpirun or srun started, each computing its part of every batch',
      ).choices(['mpi']),
    )
    .option(
      '--distributed-check <steps>',
      'with --distributed: steps after which processes compare their parameters (default: 100)',
      wholeNumber(1),
    )
    .option('--track <server>', 'tell an MLflow server: mlflow:http://127.0.0.1:5000, or …:5000/my-experiment')
    .option('--quiet', 'no progress')
    .option('--json', 'print the result as JSON; no progress');
  return takeOwnModules(addConfigFlags(program))
    .addHelpText('after', `\n${presetsText()}`)
    .action(async (experiment: string | undefined, options: MainOptions) =>
      (await import('./train-action.js')).trainAction(experiment, options),
    );
}
