import { DATASET_NAMES } from '@drf/datasets';
import { CORRUPTION_NAMES, formatStrategy, isCorruptionName, parseCorruption, parseStrategy } from '@drf/disruption';
import { fullEncoderName } from '@drf/encoders';
import { isModulePath, parseOptions } from '@drf/files';
import { ConfigurationError, isOwnId, MODALITIES, ownDefinition } from '@drf/tensor';
import { suggestion } from '@drf/terminal';
import { recordedOptions } from './compared-options.js';
import { mergeConfig } from './flags.js';
import { defaultDiscriminants, withParsedOptions } from './method.js';
import { experimentSchema, METHOD_NAMES, type ExperimentConfig, type MethodName } from './schema.js';

export { defineExperiment, type ExperimentFile, type MethodOptions } from './options.js';

/**
 * Checks an experiment and fills in defaults.
 * @param source where it came from, for messages
 * @throws ConfigurationError naming each unknown key (with the nearest right one) and each value of the wrong type or
 *   range
 */
export function parseExperiment(value: unknown, source: string): ExperimentConfig {
  const options = parseOptions(experimentSchema, value, source, UNIONS);
  const model = { ...defaultDiscriminants(options), ...options.model };
  return checkTogether({ ...options, model, compared: recordedOptions(options.compared) }, source);
}

/** What options of several types take, by name. */
const UNIONS: Readonly<Record<string, string>> = {
  classWeights: 'none, balanced, or positive numbers by class, such as {"rare": 3}',
  fusionLayers: '2 or 3',
  file: 'a file, or a list of files',
  method: `one of ${METHOD_NAMES.join(', ')}, or a module of your own, ./my-method.ts`,
  name: `one of ${DATASET_NAMES.join(', ')}, or a module of your own, ./my-dataset.ts`,
  image: 'a whole number from 0, or "all"',
  text: 'a whole number from 0, or "all"',
};

/** Rules that span several options. */
function checkTogether(config: ExperimentConfig, source: string): ExperimentConfig {
  const { name, root, file, trainFraction, valFraction, folds, fold } = config.dataset;
  const refuse = (expected: string, received: string, remedy: string): never => {
    throw new ConfigurationError({ subject: source, expected, received, remedy });
  };
  if (name === 'posts' && file === undefined) {
    refuse('dataset.file with data set "posts"', 'none', 'name your file: --dataset.file posts.csv');
  }
  if (!['embedded', 'posts'].includes(name) && !isOwnId(name) && root === undefined) {
    refuse(`dataset.root with data set "${name}"`, 'none', 'name its folder: --dataset.root DIR');
  }
  checkEncoders(config, refuse);
  if (trainFraction + valFraction > 1) {
    refuse('trainFraction + valFraction of at most 1', String(trainFraction + valFraction), 'lower one of them');
  }
  if (fold !== undefined && (folds === undefined || fold > folds)) {
    const expected = folds === undefined ? 'dataset.folds with dataset.fold' : `dataset.fold of at most ${folds}`;
    refuse(expected, String(fold), 'say how many folds there are: --dataset.folds 5 --dataset.fold 1');
  }
  for (const corruption of config.training.simulation.corruptions ?? []) {
    const [name = ''] = corruption.split('@');
    if (!isCorruptionName(name)) {
      const names = Object.values(CORRUPTION_NAMES).flat();
      refuse(
        `training.simulation.corruptions of ${names.join(', ')}`,
        JSON.stringify(corruption),
        suggestion(name, names),
      );
    }
    parseCorruption(corruption); // throws naming a wrong severity
  }
  // throws naming what is wrong with it; a module of the user's own goes by its id
  const strategy = parseStrategy(config.training.disruption);
  if (strategy.kind !== 'own') return config;
  return { ...config, training: { ...config.training, disruption: formatStrategy(strategy) } };
}

/** Options of trainable encoders mean nothing without one. */
function checkEncoders(
  { encoders, training }: ExperimentConfig,
  refuse: (expected: string, received: string, remedy: string) => never,
): void {
  const trained = MODALITIES.filter((modality) => encoders.trainable[modality]);
  for (const modality of trained) {
    if (fullEncoderName(encoders[modality]).startsWith('huggingface:')) continue;
    refuse(
      `encoders.${modality} "huggingface:<hub id or folder>" with encoders.trainable.${modality}`,
      JSON.stringify(encoders[modality]),
      'name such an encoder, or leave it frozen',
    );
  }
  const { image, imageSize } = encoders;
  if (imageSize !== undefined && !fullEncoderName(image).startsWith('huggingface:')) {
    refuse(
      'encoders.image "huggingface:<hub id or folder>", a vision transformer, with encoders.imageSize',
      JSON.stringify(image),
      'name such an encoder, or leave the size out: this one reads images of one size',
    );
  }
  for (const modality of MODALITIES) {
    if (encoders.precision[modality] !== 'int8') continue;
    const isTrained = trained.includes(modality);
    if (!isTrained && fullEncoderName(encoders[modality]).startsWith('huggingface:')) continue;
    refuse(
      `encoders.${modality} "huggingface:<hub id or folder>", frozen, with encoders.precision.${modality} "int8"`,
      `${JSON.stringify(encoders[modality])}${isTrained ? ', trained' : ''}`,
      'name such an encoder, or leave the precision out: this one computes in float32',
    );
  }
  if (encoders.lora.rank > 0 && trained.length === 0) {
    refuse('a trained encoder with encoders.lora.rank', 'none', 'turn on encoders.trainable.image or .text');
  }
  const layers = MODALITIES.find((modality) => encoders.trainableLayers[modality] !== 'all');
  if (encoders.lora.rank > 0 && layers !== undefined) {
    refuse(
      `encoders.trainableLayers.${layers} "all" with encoders.lora.rank`,
      String(encoders.trainableLayers[layers]),
      'low-rank updates train alone: leave one of the two out',
    );
  }
  if (training.accumulate > training.batchSize) {
    refuse(
      `training.accumulate of at most the batch size, ${training.batchSize}`,
      String(training.accumulate),
      'a step cannot have more parts than posts',
    );
  }
}

/**
 * An experiment for the method that the overrides or the file name: the file's options, over them the file's own for
 * that method, then each of the further layers, the last one strongest.
 * @param layers partial experiments; each may have `methods` as the file may
 * @throws ConfigurationError as {@link parseExperiment}, and for an unknown method among `methods`
 */
export function parseForMethod(file: unknown, layers: readonly unknown[], source: string): ExperimentConfig {
  const all = [file, ...layers];
  const named = all.reduce<unknown>((chosen, layer) => fieldOf(layer, 'method') ?? chosen, undefined);
  const method = typeof named === 'string' && isModulePath(named) ? ownDefinition(named, 'method').id : named;
  const merged = all.reduce((base, layer) => {
    const { common, own } = split(layer, typeof method === 'string' ? method : DEFAULT_METHOD, source);
    return mergeConfig(mergeConfig(base, common), own);
  }, undefined);
  return withParsedOptions(parseExperiment(merged, source));
}

const DEFAULT_METHOD: MethodName = 'drf';

/** A layer's options for every method, and those for one. */
function split(layer: unknown, method: string, source: string): { readonly common: unknown; readonly own: unknown } {
  const methods = fieldOf(layer, 'methods');
  if (methods === undefined) return { common: layer, own: undefined };
  if (typeof methods !== 'object' || methods === null || Array.isArray(methods)) {
    throw unknownMethods(source, JSON.stringify(methods), 'write "methods": {"drf-paper": {…}}');
  }
  for (const name of Object.keys(methods)) {
    if (isOwnId(name) || METHOD_NAMES.some((known) => known === name)) continue;
    throw unknownMethods(source, JSON.stringify(name), suggestion(name, METHOD_NAMES));
  }
  const common = Object.fromEntries(Object.entries(layer as object).filter(([name]) => name !== 'methods'));
  return { common, own: (methods as Record<string, unknown>)[method] };
}

function unknownMethods(source: string, received: string, remedy: string | undefined): ConfigurationError {
  const expected = `options by the names of methods: ${METHOD_NAMES.join(', ')}`;
  return new ConfigurationError({ subject: `${source}, option "methods"`, expected, received, remedy });
}

function fieldOf(layer: unknown, name: string): unknown {
  if (typeof layer !== 'object' || layer === null) return undefined;
  return (layer as Record<string, unknown>)[name];
}
