import { basename, join } from 'node:path';
import {
  chooseExperiment,
  keepFreedMemory,
  openTracker,
  readFoldsConfig,
  trainFolds,
  trainsAllFolds,
  type Display,
  type FoldsResult,
  type PresetName,
} from '@drf/training';
import { mergeConfig, overridesFrom } from '@drf/experiment';
import { ConfigurationError, refuser } from '@drf/tensor';
import { spell } from '@drf/terminal';

/** What of the command line decides the folds. */
interface FoldsFlags extends Readonly<Record<string, unknown>> {
  readonly data?: readonly string[];
  readonly columns?: object;
  readonly preset?: PresetName;
  readonly out?: string;
  readonly overwrite?: boolean;
  readonly resume?: string;
  readonly allowDownload?: boolean;
  readonly cache: string;
  readonly stopAfter?: number;
  readonly track?: string;
  readonly examples?: number;
  readonly json?: boolean;
  readonly quiet?: boolean;
}

/** Whether all folds are asked for: `--dataset.fold all`, a preset of all folds, or `--resume` of a folder of folds. */
export async function asksForAllFolds({ resume, ...flags }: FoldsFlags): Promise<boolean> {
  if (resume === undefined) return trainsAllFolds(flags.preset, flags['dataset.fold']);
  return (await readFoldsConfig(resume)) !== undefined;
}

/** Trains every fold into one folder, which then judges as an ensemble. */
export async function trainAllFolds(
  experiment: string | undefined,
  flags: FoldsFlags,
  display: Display,
  signal: AbortSignal,
): Promise<FoldsResult> {
  const { resume, data, columns, preset, out, overwrite, cache, stopAfter: stopAfterEpochs, allowDownload, examples, track } = flags; // prettier-ignore
  if (track !== undefined) openTracker(track); // refuses what is no server
  const going = resume === undefined ? undefined : await readFoldsConfig(resume);
  const named = columns === undefined ? {} : { dataset: { columns } };
  const overrides = mergeConfig(named, overridesFrom({ ...flags, 'dataset.fold': undefined })) as Record<string, unknown>; // prettier-ignore
  const others = Object.entries({ '--out': out, '--data': data, '--preset': preset });
  const changed = [
    ...Object.keys(overrides),
    ...others.flatMap(([flag, value]) => (value === undefined ? [] : [flag])),
  ];
  if (going !== undefined && (experiment !== undefined || changed.length > 0)) {
    throw refuser(ConfigurationError, '--resume')(
      'no other experiment, option or folder: folds go on as they were configured',
      experiment ?? changed.join(', '),
      'leave it out, or start anew in another folder',
    );
  }
  const config = going ?? (await chooseExperiment({ experiment, data, preset, overrides })).configure({});
  const { name, method, seed, dataset } = config;
  const folder = resume ?? out ?? join('runs', `${name}-${method}-seed${seed}-folds${dataset.folds}`);
  const say = (text: string): void => void (flags.quiet === true || flags.json === true || process.stderr.write(text));
  const onFold = (fold: number, folds: number): void => say(`\nFold ${fold} of ${folds}\n`);
  await keepFreedMemory(config);
  return trainFolds({
    config,
    folder,
    overwrite,
    cache,
    display,
    signal,
    stopAfterEpochs,
    allowDownload,
    examples,
    onFold,
    openTracker: track === undefined ? undefined : () => openTracker(track),
  });
}

/** The result for a person. */
export function foldsText({ outcome, folder, runs, trained }: FoldsResult): string {
  const noted = trained.flatMap(({ run, notes }) => notes.map((note) => `${basename(run)}: ${note}\n`)).join('');
  if (outcome === 'interrupted') return `Stopped. Go on with: ${spell(`train --resume ${folder}`)}\n${noted}`;
  return [
    `Trained ${runs.length} folds${trained.length < runs.length ? `, ${trained.length} of them now` : ''}. Together they judge as an ensemble.\n${noted}Ensemble: ${folder}`,
    `Evaluate: ${spell(`eval ${folder}`)}    # every post by the fold that did not see it`,
    `Judge:    ${spell(`predict ${folder} posts.csv --out judged.csv`)}\n`,
  ].join('\n');
}
