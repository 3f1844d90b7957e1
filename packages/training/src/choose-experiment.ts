import { mergeConfig, parseForMethod, type ExperimentConfig } from '@drf/experiment';
import { ConfigurationError } from '@drf/tensor';
import { openOwnData, ownConfig } from './own-data.js';
import { EXPERIMENTS, readExperiment } from './experiments.js';

/** What a person names to train on. */
export interface ExperimentChoice {
  /** Of an experiment, or its file; with `data` one whose data set gives way. */
  readonly experiment?: string | undefined;
  /** Files of one's own posts. */
  readonly data?: readonly string[] | undefined;
  /** Options laid over. */
  readonly overrides: Readonly<Record<string, unknown>>;
  /** Told how far the posts are read. */
  readonly onProgress?: (done: number, total: number) => void;
}

/**
 * The experiment that was named, as a function of further options, which lie over all others: one's own posts are read
 * once, so that options fit their number.
 * @throws ConfigurationError where neither an experiment nor data is named, and as `readExperiment` and `ownConfig`;
 *   DataError as `openExperimentData`
 */
export async function chooseExperiment({
  experiment,
  data: files,
  overrides: given,
  onProgress,
}: ExperimentChoice): Promise<(overrides: Readonly<Record<string, unknown>>) => ExperimentConfig> {
  const over = (overrides: unknown): Record<string, unknown> =>
    mergeConfig(given, overrides) as Record<string, unknown>;
  if (files !== undefined) {
    const base = experiment === undefined ? undefined : await readExperiment(experiment);
    const { data } = await openOwnData(files, base, given, onProgress);
    return (overrides) => ownConfig(files, base, over(overrides), data.splits.train.length);
  }
  if (experiment === undefined) {
    throw new ConfigurationError({
      subject: 'Experiment',
      expected: `one of ${[...EXPERIMENTS.keys()].join(', ')}, or a file; or your own posts, --data FILE`,
      received: 'none',
      remedy: 'begin with: quickstart',
    });
  }
  const file = await readExperiment(experiment);
  return (overrides) => parseForMethod(file, [given, overrides], `Experiment ${experiment}`);
}
