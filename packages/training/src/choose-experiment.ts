import { mergeConfig, parseForMethod, type ExperimentConfig, type ExperimentData } from '@drf/experiment';
import { ConfigurationError } from '@drf/tensor';
import { spell } from '@drf/terminal';
import { openOwnData, ownConfig } from './own-data.js';
import { EXPERIMENTS, readExperiment } from './experiments.js';
import { underPreset, type PresetName } from './presets.js';

/** What a person names to train on. */
export interface ExperimentChoice {
  /** By name, by file, or itself; with `data` one whose data set gives way. */
  readonly experiment?: string | object | undefined;
  /** Files of one's own posts. */
  readonly data?: readonly string[] | undefined;
  /** Laid over the experiment. */
  readonly preset?: PresetName | undefined;
  /** Options laid over both. */
  readonly overrides: Readonly<Record<string, unknown>>;
  /** Told how far the posts are read. */
  readonly onProgress?: (done: number, total: number) => void;
}

/** The experiment that was chosen. */
interface ChosenExperiment {
  /** With further options, which lie over all others. @throws ConfigurationError as `parseForMethod` */
  configure(overrides: Readonly<Record<string, unknown>>): ExperimentConfig;
  /** One's own posts, which are read once, so that options fit their number. */
  readonly data?: ExperimentData;
}

/**
 * The experiment that was named, under the preset and the options that were named.
 * @throws ConfigurationError where neither an experiment nor data is named, for an unknown preset, and as `readExperiment`
 *   and `ownConfig`; DataError as `openExperimentData`
 */
export async function chooseExperiment({
  experiment,
  data: files,
  preset,
  overrides: given,
  onProgress,
}: ExperimentChoice): Promise<ChosenExperiment> {
  const base = typeof experiment === 'string' ? await readExperiment(experiment) : experiment;
  if (files !== undefined) {
    const choice = { files, experiment: base, preset };
    const { data } = await openOwnData({ ...choice, overrides: given }, onProgress);
    const over = (overrides: unknown): Record<string, unknown> =>
      mergeConfig(given, overrides) as Record<string, unknown>;
    return {
      configure: (overrides) => ownConfig({ ...choice, overrides: over(overrides) }, data.splits.train.length),
      data,
    };
  }
  if (base === undefined) {
    throw new ConfigurationError({
      subject: 'Experiment',
      expected: `one of ${[...EXPERIMENTS.keys()].join(', ')}, or a file; or your own posts, --data FILE`,
      received: 'none',
      remedy: `begin with: ${spell('train quickstart')}`,
    });
  }
  const [file, ...layers] = underPreset(base, preset, given);
  const source = typeof experiment === 'string' ? `Experiment ${experiment}` : 'Experiment';
  return { configure: (overrides) => parseForMethod(file, [...layers, given, overrides], source) };
}
