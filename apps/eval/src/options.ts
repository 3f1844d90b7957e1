import { PAPER_RATIOS } from '@drf/disruption';
import type { DatasetName, OwnDatasetName } from '@drf/datasets';
import { isModulePath } from '@drf/files';
import { ownDefinition } from '@drf/tensor';
import { paperStrategies, parseRatios, parseStrategies } from '@drf/evaluation';
import { refuse, type CommandOptions } from './evaluate-command.js';
import type { MainOptions } from './flags.js';

/**
 * Turns parsed options into those of an evaluation.
 * @throws ConfigurationError for options that exclude each other, an unknown cell or a bad ratio
 */
export function commandOptions(options: MainOptions): Omit<CommandOptions, 'workspace' | 'signal' | 'onResult'> {
  exclude(options, 'manifest', ['cells', 'ratios', 'seed']);
  exclude(options, 'splitFile', ['split']);
  exclude(options, 'data', ['dataset', 'datasetFile']);
  const { split, splitFile, manifest, seed, checkpoint, engine, allowDownload, cache, reference, out, csv } = options;
  const ratios = options.ratios === undefined ? PAPER_RATIOS : parseRatios(options.ratios);
  return {
    cells: options.cells === undefined ? paperStrategies(ratios) : parseStrategies(options.cells, ratios),
    dataset: {
      name: options.data === undefined ? datasetName(options.dataset) : 'posts',
      options: options.datasetOptions,
      root: options.datasetRoot,
      file: options.data ?? options.datasetFile,
      columns: options.columns,
      encoding: options['dataset.encoding'],
    },
    split,
    splitFile,
    manifest,
    seed,
    checkpoint,
    engine,
    allowDownload,
    cache,
    posts: options.posts,
    explain: options.explain,
    reference,
    out,
    csv,
    rawCsv: options.rawCsv === true,
    track: options.track,
  };
}

/** A data set of this repository, or the id of one of the user's own, whose module was loaded. */
function datasetName(text: string | undefined): DatasetName | OwnDatasetName | undefined {
  if (text === undefined || !isModulePath(text)) return text as DatasetName | undefined;
  return ownDefinition(text, 'data set').id as OwnDatasetName;
}

function exclude(options: MainOptions, name: keyof MainOptions, others: readonly (keyof MainOptions)[]): void {
  const flag = (key: string): string => `--${key.replace(/[A-Z]/g, (letter) => `-${letter.toLowerCase()}`)}`;
  const clash = options[name] === undefined ? undefined : others.find((other) => options[other] !== undefined);
  if (clash === undefined) return;
  throw refuse(flag(name), `to stand without ${flag(clash)}`, 'both', 'leave one of the two out');
}
