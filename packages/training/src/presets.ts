import { isOwnName } from '@drf/encoders/names';
import type { ExperimentFile, MethodOptions } from '@drf/experiment/options';
import { suggestion } from '@drf/terminal';
import { ConfigurationError, MODALITIES, refuser, type Modality } from '@drf/tensor';

/**
 * Model options for pretrained encoders, whose features differ widely in scale (pooled MobileNet activations beside unit
 * vectors of a sentence encoder), unlike those of the paper's fine-tuned transformers. Measured on MVSA-Single's
 * validation split (docs/decisions/03-three-forms-of-drf.md): without standardization the text hardly counts; at the
 * paper's loss factors of 1 the recovery losses outweigh classification tenfold and pull the projections together.
 */
export const FROZEN_ENCODERS = {
  standardize: true,
  lossScales: { distribution: 0.01, recovery: 0.01, classification: 1 },
};

/** `drf-paper` is the paper to the letter with frozen encoders, too: factors of 1, features as they come. */
export const BY_METHOD: MethodOptions = {
  'drf-paper': { model: { standardize: false, lossScales: { distribution: 1, recovery: 1, classification: 1 } } },
};

/** MiniLM-L6 (22.6 million parameters, 384 values), trained under the head; pooled as it was trained to be. */
export const TUNED_TEXT = {
  text: 'huggingface:sentence-transformers/all-MiniLM-L6-v2',
  trainable: { text: true },
  pooling: { text: 'mean' },
} as const;

/** Of a trained text encoder: it overfits soon, so few epochs, of which selection takes the best. */
export const TUNED_TRAINING = { encoderLearningRate: 5e-5, clipNorm: 1, groupByLength: 8 };

/** Below so many training posts, options are those that were measured on few (the quick start's). */
export const FEW_TRAINING_POSTS = 2000;
/** A training takes about so many steps, within bounds of epochs; see docs/notebook.md for what was measured. */
const STEPS = 300;
const MOST_EPOCHS = 20;

/** Epochs for so many training posts. @param fewest of many posts */
export function epochsFor(posts: number, fewest: number): number {
  const stepsAnEpoch = Math.max(1, Math.ceil(posts / 16));
  return Math.min(MOST_EPOCHS, Math.max(fewest, Math.round(STEPS / stepsAnEpoch)));
}

/** Options by what a training may cost: {@link PRESETS}. */
export type PresetName = 'fast' | 'balanced' | 'best';

/** A bundle of options. */
interface Preset {
  /** What it trains, for help. */
  readonly summary: string;
  /** Whether it trains every fold of a cross-validation, which then judge together, unless one of them is named. */
  readonly allFolds?: true;
  /** @param posts of the training split; of a named experiment's, which are not read yet, Infinity */
  readonly options: (
    posts: number,
  ) => Omit<Partial<ExperimentFile>, 'dataset'> & { readonly dataset?: Partial<ExperimentFile['dataset']> };
  /** What MVSA-Single's validation posts say of it (docs/results.md); left out: not known yet. */
  readonly measured?: {
    /** In percent, mean and standard deviation over seeds; without the latter, of seed 0 alone. */
    readonly accuracy?: { readonly mean: number; readonly deviation?: number };
    /** Of the whole training, from an empty cache, on two cores. */
    readonly minutes?: number;
    /** Options that it was measured with, beside the preset. */
    readonly options?: string;
  };
}

/** The model over pretrained encoders, trained or frozen. */
const MODEL = { model: FROZEN_ENCODERS, methods: BY_METHOD };

/**
 * Presets, cheapest first. Which method trains is not theirs to say. Images stay with the frozen embedded encoder in
 * `balanced`, as in the experiment `mvsa-s-minilm`: that is what was measured, and it takes no second download.
 */
export const PRESETS: Readonly<Record<PresetName, Preset>> = {
  fast: {
    summary: 'the frozen encoders that come along; nothing is downloaded',
    options: () => MODEL,
    measured: { accuracy: { mean: 70.1, deviation: 0.6 }, minutes: 5 },
  },
  balanced: {
    summary: 'the text encoder MiniLM-L6 (91 MB) is fine-tuned, images stay with the frozen encoder that comes along',
    options: (posts) => ({
      ...MODEL,
      encoders: TUNED_TEXT,
      training: { ...TUNED_TRAINING, epochs: epochsFor(posts, 3) },
    }),
    measured: { accuracy: { mean: 76.2 }, minutes: 13 },
  },
  best: {
    summary:
      'the last two layers of DINOv2 ViT-S/14 (at 112 pixels, 88 MB) and of MiniLM-L6 (91 MB) are fine-tuned, in five folds that judge together',
    allFolds: true,
    options: (posts) => ({
      ...MODEL,
      dataset: { folds: 5 },
      encoders: {
        ...TUNED_TEXT,
        image: 'huggingface:facebook/dinov2-small',
        imageSize: 112,
        trainable: { image: true, text: true },
        trainableLayers: { image: 2, text: 2 },
        pooling: { ...TUNED_TEXT.pooling, image: 'cls_mean' },
      },
      model: { dim: 128, ...FROZEN_ENCODERS },
      training: {
        ...TUNED_TRAINING,
        epochs: epochsFor(posts, 3),
        learningRate: 3e-4,
        batchSize: posts < FEW_TRAINING_POSTS ? 16 : 32,
      },
    }),
    measured: { accuracy: { mean: 74 }, minutes: 40 },
  },
};

/** Names of {@link PRESETS}, cheapest first. */
export const PRESET_NAMES = Object.keys(PRESETS) as readonly PresetName[];

/** @throws ConfigurationError for an unknown name, with the nearest */
function presetOf(name: string): Preset {
  if (Object.hasOwn(PRESETS, name)) return PRESETS[name as PresetName];
  const refuse = refuser(ConfigurationError, 'Preset');
  throw refuse(`one of ${PRESET_NAMES.join(', ')}`, JSON.stringify(name), suggestion(name, PRESET_NAMES));
}

/**
 * An experiment and what a preset lays over it, as layers for `parseForMethod`, the last one strongest. Its encoders are
 * the preset's alone: options of other ones would not fit them.
 * @param overrides what will be laid over both: of an encoder in it that cannot be trained, the preset's options go
 * @param posts of the training split; left out: many
 * @throws ConfigurationError for an unknown preset, with the nearest
 */
export function underPreset(
  experiment: unknown,
  preset: PresetName | undefined,
  overrides: Readonly<Record<string, unknown>> = {},
  posts = Infinity,
): readonly [experiment: unknown, ...layers: unknown[]] {
  if (preset === undefined) return [experiment];
  const options = presetOf(preset).options(posts);
  const given = (overrides.encoders ?? {}) as Partial<Record<Modality, string>>;
  const encoders = MODALITIES.reduce(
    (own, modality) => (isFrozen(given[modality]) ? withoutEncoder(own, modality) : own),
    options.encoders,
  );
  return [
    { ...(experiment as object), encoders: undefined },
    { ...options, encoders },
  ];
}

/** Whether an encoder is named that cannot be trained: an embedded one, one of transformers.js, one of the user's own. */
function isFrozen(name: string | undefined): boolean {
  return name !== undefined && (name === 'embedded' || name.startsWith('transformers:') || isOwnName(name));
}

/** Options of encoders less those of one modality, each of which is by modality or, `imageSize`, of images. */
function withoutEncoder(encoders: ExperimentFile['encoders'], modality: Modality): ExperimentFile['encoders'] {
  if (encoders === undefined) return undefined;
  const { imageSize, ...others } = encoders;
  const left = Object.entries(others).flatMap(([name, value]): [string, unknown][] => {
    if (name === modality) return [];
    if (typeof value !== 'object' || value === null || Array.isArray(value)) return [[name, value]];
    return [[name, Object.fromEntries(Object.entries(value).filter(([own]) => own !== modality))]];
  });
  return { ...Object.fromEntries(left), ...(modality === 'image' || imageSize === undefined ? {} : { imageSize }) };
}

/**
 * Whether every fold is to be trained: where that is said, or where a preset does and no fold is named.
 * @param fold what is said of the option `dataset.fold`
 * @throws as {@link underPreset}
 */
export function trainsAllFolds(preset: PresetName | undefined, fold: unknown): boolean {
  if (fold !== undefined) return fold === 'all';
  return preset !== undefined && presetOf(preset).allFolds === true;
}

/** The presets for help, with what is known of each. */
export function presetsText(presets: Readonly<Record<string, Omit<Preset, 'options'>>> = PRESETS): string {
  const width = Math.max(...Object.keys(presets).map((name) => name.length)) + 2;
  const lines = Object.entries(presets).flatMap(([name, { summary, measured }]) => {
    const known = measured === undefined ? [] : [' '.repeat(width) + measuredText(measured)];
    return [name.padEnd(width) + summary, ...known];
  });
  return [
    'Presets, the cheapest first; options given beside one count more. Accuracy is that on MVSA-Single, ± over seeds:',
    ...lines.map((line) => `  ${line}`),
  ].join('\n');
}

function measuredText({ accuracy, minutes, options }: NonNullable<Preset['measured']>): string {
  const parts = [
    ...(accuracy === undefined ? [] : [accuracyText(accuracy)]),
    ...(minutes === undefined ? [] : [`${minutes} min on two cores`]),
  ];
  return `${parts.join(', ')}${options === undefined ? '' : ` (with ${options})`}`;
}

function accuracyText({ mean, deviation }: { readonly mean: number; readonly deviation?: number }): string {
  return deviation === undefined ? `${mean.toFixed(1)} % (one seed)` : `${mean.toFixed(1)} ± ${deviation.toFixed(1)} %`;
}
