import { z } from 'zod';
import type { OwnDatasetName } from '@drf/datasets';
import { DATASET_NAMES, TEXT_ENCODINGS } from '@drf/datasets/names';
import { isOwnName, POOLINGS } from '@drf/encoders/names';
import { WEIGHTING_MODES } from '@drf/fusion/names';
import { isModulePath, optionsOf, unwrapSchema } from '@drf/files';
import { FEATURE_NORMS } from '@drf/model/names';
import { ENGINE_NAMES, isOwnId, ownDefinition, PRODUCT_TYPES } from '@drf/tensor';

/**
 * What an option decides: nothing that is judged (names, memory, how often something is written); where the posts and
 * their splits come from, which may differ from machine to machine and from seed to seed of one experiment; which posts
 * there are; or results. Results know their posts by a hash. Whatever asks which options count (the identity of a result,
 * the grouping of runs) asks for this.
 */
export type Effect = 'none' | 'place' | 'data' | 'result';

const none = (description: string) => ({ description, effect: 'none' });
const place = (description: string) => ({ description, effect: 'place' });
const data = (description: string) => ({ description, effect: 'data' });
const result = (description: string) => ({ description, effect: 'result' });

/** An engine by name; a text to the compiler, so that options need not be constants. */
const engineName = z
  .string()
  .refine((name) => (ENGINE_NAMES as readonly string[]).includes(name), {
    error: `one of ${ENGINE_NAMES.join(', ')}`,
    params: { names: ENGINE_NAMES },
  });

const whole = (minimum: number) => z.int().min(minimum);
/** Of a layer; more than any model has would only take the memory of the machine. */
const width = (minimum = 1) => whole(minimum).max(16_384);
const positive = () => z.number().positive();
const share = () => z.number().min(0).max(1);

/** A module of the user's own, which was loaded, by its id: "my-dataset@1f0c8a93d2e4". */
const ownName = (kind: string) =>
  z
    .string()
    .refine((text) => isModulePath(text) || isOwnId(text))
    .transform((text) => (isOwnId(text) ? text : ownDefinition(text, kind).id));

/** Which column of a file of one's own posts holds what, where its name does not tell. */
const columns = z.strictObject({
  id: z
    .string()
    .optional()
    .meta(data('column of ids (default: id, tweet_id, …; without one, or with "", rows are numbered)')),
  text: z.string().optional().meta(data('column of texts (default: text, tweet, caption, …)')),
  image: z.string().optional().meta(data('column of image paths (default: image, image_path, file, …)')),
  label: z.string().optional().meta(data('column of labels (default: label, sentiment, class, …)')),
  split: z.string().optional().meta(data('column that says train, val or test (default: split, set, …)')),
});

/** What becomes of labels before anything else sees them. */
const labels = z.strictObject({
  ignoreCase: z
    .boolean()
    .optional()
    .meta(result('labels that differ in nothing but case or spaces are one class (default: false)')),
  rename: z
    .record(z.string(), z.string().trim().min(1))
    .optional()
    .meta(result('new names of labels, as JSON {"Positive":"positive"} or Positive=positive,…; equal ones are joined')),
  drop: z.array(z.string()).min(1).optional().meta(result('labels whose posts are left out, separated by commas')),
});

/** Posts and how they are split. */
const dataset = z.strictObject({
  name: z
    .union([z.enum(DATASET_NAMES), ownName('data set').transform((id) => id as OwnDatasetName)])
    .meta(result('data set, or a module of your own, ./my-dataset.ts (docs/extend.md)')),
  options: z
    .record(z.string(), z.unknown())
    .optional()
    .meta(result('options of a data set of your own, as a=1,b=2 or JSON')),
  root: z.string().optional().meta(place('folder of the data set')),
  file: z
    .union([z.string(), z.array(z.string()).min(1)])
    .optional()
    .meta(
      place(
        'file of your own posts (JSON Lines, CSV, Parquet), with --dataset.name posts; several in experiment files',
      ),
    ),
  columns: columns.optional(),
  labels: labels.optional(),
  encoding: z
    .enum(['auto', ...TEXT_ENCODINGS])
    .optional()
    .meta(
      result(
        `encoding of texts and tables (default: auto, found out from the bytes and said): ${TEXT_ENCODINGS.join(', ')}`,
      ),
    ),
  splits: z.string().optional().meta(place('folder of split files train.json, val.json, test.json')),
  trainSplit: z
    .string()
    .optional()
    .meta(place('split file of the training posts: ids (.txt, .json) or published posts (.json, .jsonl, .tsv, .csv)')),
  valSplit: z.string().optional().meta(place('split file of the validation posts')),
  testSplit: z.string().optional().meta(place('split file of the test posts')),
  trainFraction: share().default(0.8).meta(data('share of the training split when splits are made here')),
  valFraction: share().default(0.1).meta(data('share of the validation split; the rest is the test split')),
  splitSizes: z
    .array(whole(1))
    .length(3)
    .optional()
    .meta(
      place('exact sizes of train, val and test, such as 3608,451,452; other numbers of posts are split by shares'),
    ),
  splitSeed: whole(0).default(0).meta(place('seed of the splits and folds that are made here')),
  folds: whole(2)
    .max(100)
    .optional()
    .meta(data('deal training and test posts out into so many folds, one of them to test on')),
  fold: whole(1)
    .optional()
    .meta(
      data('which of the folds is the test split, from 1 (default: 1); for training also all, one after the other'),
    ),
  limit: whole(1).optional().meta(data('use only so many posts of each split (for trying things out)')),
  imageSize: whole(16).max(1024).default(224).meta(result('side in pixels at which images are decoded and disrupted')),
});

const ENCODER =
  'embedded, a hub id or folder (can be trained), transformers:<hub id or folder>, or a module of your own, ./my-encoder.ts';

/** An encoder's name; one of the user's own by the id of its module, which was loaded. */
const encoderName = () => z.string().transform((name) => (isOwnName(name) ? ownDefinition(name, 'encoder').id : name));

/** The same option for either encoder. */
const byModality = <Option extends z.ZodType>(make: (modality: 'image' | 'text') => Option) =>
  z.strictObject({ image: make('image'), text: make('text') });

/** Low-rank updates that train in place of an encoder's own weights. */
const lora = z.strictObject({
  rank: whole(0).default(0).meta(result('rank of low-rank updates that train in place of the weights (LoRA); 0: none')),
  alpha: positive().default(16).meta(result('low-rank updates count alpha/rank times')),
  targets: z
    .array(z.enum(['query', 'key', 'value', 'output', 'up', 'down']))
    .min(1)
    .default(['query', 'value'])
    .meta(result('linear maps that get low-rank updates, separated by commas: query, key, value, output, up, down')),
});

const encoders = z.strictObject({
  image: encoderName().default('embedded').meta(result(ENCODER)),
  text: encoderName().default('embedded').meta(result(ENCODER)),
  options: byModality((modality) =>
    z
      .record(z.string(), z.unknown())
      .optional()
      .meta(
        result(`options of ${modality === 'image' ? 'an image' : 'a text'} encoder of your own, as a=1,b=2 or JSON`),
      ),
  ).prefault({}),
  batchSize: whole(1).optional().meta(none('posts encoded at once (default: as the encoder likes it)')),
  trainable: byModality((modality) =>
    z
      .boolean()
      .default(false)
      .meta(result(`fine-tune the ${modality} encoder under the head (a hub id or folder of its weights)`)),
  ).prefault({}),
  trainableLayers: byModality((modality) =>
    z
      .union([z.literal('all'), whole(0)])
      .default('all')
      .meta(
        result(
          `how many of the ${modality} encoder's last layers are trained; below them all is frozen, and drops nothing`,
        ),
      ),
  ).prefault({}),
  cacheStates: z
    .boolean()
    .optional()
    .meta(
      result(
        'keep what the frozen layers below the trained ones give in the feature cache, in half precision, so that a ' +
          'step costs the trained layers alone (default: true where trainable-layers is a number)',
      ),
    ),
  stateGigabytes: positive()
    .optional()
    .meta(
      none(
        'most disk space that the hidden states of a training may take, in GB; more is refused beforehand (default: 50)',
      ),
    ),
  lora: lora.prefault({}),
  dropout: byModality((modality) =>
    share()
      .lt(1)
      .optional()
      .meta(
        result(
          `share of values that a trained ${modality} encoder drops in training (default: as its configuration says)`,
        ),
      ),
  ).prefault({}),
  recompute: z
    .boolean()
    .default(false)
    .meta(result('compute layers anew in the gradient instead of holding their values: less memory, more time')),
  revision: byModality((modality) =>
    z
      .string()
      .optional()
      .meta(result(`branch, tag or commit of the ${modality} encoder on the hub (default: main)`)),
  ).prefault({}),
  pooling: byModality((modality) =>
    z
      .enum(POOLINGS)
      .optional()
      .meta(
        result(
          modality === 'image'
            ? "how the image encoder's tokens become a feature (default: the class token, cls; the model's own embedding, pooler, of CLIP and SigLIP)"
            : "how the text encoder's tokens become a feature (default: as its sentence-transformers files say, else mean, of CLIP and SigLIP pooler)",
        ),
      ),
  ).prefault({}),
  precision: byModality((modality) =>
    z
      .enum(PRODUCT_TYPES)
      .optional()
      .meta(
        result(
          `numbers by which a frozen ${modality} encoder (a hub id or folder) multiplies its weights: float32 (default), ` +
            'or int8, which the engine compiled computes in less time on processors with VNNI or the like',
        ),
      ),
  ).prefault({}),
  imageSize: whole(1)
    .max(1024)
    .optional()
    .meta(
      result(
        'side in pixels of the images that a vision transformer (a hub id or folder) reads, a multiple of its patches; half of it takes a fourth of the time (default: as its files say)',
      ),
    ),
  textLengths: z
    .array(whole(2))
    .min(1)
    .optional()
    .meta(result('lengths in tokens, separated by commas: a batch of texts is padded to the smallest that holds it')),
});

/** Switches of the paper's Table 4. */
const ablations = z.strictObject({
  sampleRecovery: z.boolean().default(true).meta(result('sample-based recovery losses (Eq. 4, 5)')),
  distributionRecovery: z.boolean().default(true).meta(result('distribution-based recovery losses (Eq. 6, 7)')),
  gaussianProbability: z.boolean().default(true).meta(result('weights from Gaussian densities; off: equal weights')),
  pairExpansion: z.boolean().default(true).meta(result('three pairs a post; off: the original pair only')),
  distributionConstraint: z.boolean().default(true).meta(result('distribution constraint (Eq. 3)')),
});

const lossScales = z.strictObject({
  distribution: z.number().min(0).default(1).meta(result('factor of the distribution constraint in Eq. 16')),
  recovery: z.number().min(0).default(1).meta(result('factor of the recovery losses in Eq. 16')),
  classification: z.number().min(0).default(1).meta(result('factor of the classification loss in Eq. 16')),
  pairs: z.number().min(0).default(1).meta(result('drf: factor of the losses of the pairs’ own predictions')),
});

const model = z.strictObject({
  dim: width().default(768).meta(result('width of the shared feature space')),
  standardize: z
    .boolean()
    .default(false)
    .meta(result('scale encoder outputs to mean 0, deviation 1 over the training posts')),
  converterHidden: width().optional().meta(result("width of the converters' hidden layer (default: dim)")),
  fusionHidden: width().optional().meta(result("width of the fusion network's hidden layers (default: dim)")),
  fusionLayers: z
    .union([z.literal(2), z.literal(3)])
    .optional()
    .meta(result('layers of the fusion network, 2 or 3 (default: 2 for drf, 3 for drf-paper and drf-adapted)')),
  queueCapacity: whole(2).max(100_000).default(512).meta(result('rows of each feature queue (the paper’s L)')),
  weighting: z
    .enum(WEIGHTING_MODES)
    .optional()
    .meta(
      result(
        'how densities become pair weights (default: density for drf-paper, Eq. 9 to the letter; else normalized)',
      ),
    ),
  recoveryTargetGradient: z
    .boolean()
    .optional()
    .meta(result('gradient to the target of Eq. 4, too, as printed (default: true for drf-paper, else false)')),
  featureNorm: z
    .enum(FEATURE_NORMS)
    .default('none')
    .meta(
      result(
        'unit: scale features in the shared space to norm 1 (forms of drf, concatenation, unimodal methods, late-fusion)',
      ),
    ),
  exponentLimit: positive().max(80).default(20).meta(result('exponent above which Eq. 3 goes on linearly')),
  gaussianRank: width().default(128).meta(result('drf: directions of the low-rank Gaussian of encoder outputs')),
  gateHidden: width().default(16).meta(result('drf: width of the hidden layer of the gate that weighs pairs')),
  discriminants: share()
    .optional()
    .meta(
      result(
        'share of class-conditional Gaussians (linear discriminants of the encoder outputs, intact and corrupted ones ' +
          'apart) in the answer (default: 0.5 for drf unless an encoder is embedded, else 0)',
      ),
    ),
  lossScales: lossScales.prefault({}),
  ablations: ablations.prefault({}),
});

/** Options of the methods that DRF is compared with (docs/compared-methods.md); what is left out is the preset's. */
const compared = z.strictObject({
  preset: z
    .enum(['compact', 'authors'])
    .default('compact')
    .meta(result('compact, or for clmlf and mgnns the constants of their authors’ public code: authors')),
  width: width().optional().meta(result('all of them: width of their layers, in place of model.dim (compact: 128)')),
  hops: whole(1).max(8).optional().meta(result('mvan: how often text and image views ask each other (3)')),
  heads: width().optional().meta(result('clmlf, mgnns: attention heads; must divide the width (4)')),
  words: whole(2).max(65_536).optional().meta(result('mgnns: word pieces of the graph, the most frequent ones (1024)')),
  objects: width(2).optional().meta(result('mgnns: clusters of places of images (64)')),
  scenes: width(2).optional().meta(result('mgnns: clusters of parts of images (32)')),
  imageLayers: whole(0).max(64).optional().meta(result('clmlf: transformer layers over the image alone (1)')),
  fusionLayers: whole(1).max(64).optional().meta(result('clmlf: transformer layers over text and image (2)')),
  contrastiveScale: z.number().min(0).optional().meta(result('clmlf: factor of both contrastive losses (0.1)')),
  contrastiveTemperature: positive().optional().meta(result('clmlf: temperature of both contrastive losses (0.07)')),
  restraintScale: z.number().min(0).optional().meta(result('mvcn: factor of the restraint to class centroids (0.1)')),
  calibration: share()
    .optional()
    .meta(result('mvcn: how far an uncertain label moves to what the modalities say (0.5)')),
});

/** Disruptions of training posts beyond those of `disruption`, anew each time a post is seen. */
const simulation = z.strictObject({
  share: share()
    .optional()
    .meta(
      result(
        'share of the intact posts (default: 0.5 with discriminants, and for drf where training is intact, else 0)',
      ),
    ),
  discard: share().default(0.5).meta(result('of those, the share that lose a modality; the others have it corrupted')),
  draws: whole(1)
    .default(2)
    .meta(
      result(
        'corrupted versions of each image and text to choose from; an encoder that is trained from its first layer on ' +
          'gets a new one each time',
      ),
    ),
  corruptions: z
    .array(z.string())
    .min(1)
    .optional()
    .meta(
      result(
        'corruptions to simulate, separated by commas, such as gaussian_noise,typos@2 (without @ of any severity); a ' +
          'modality that none takes is corrupted as the paper does (default)',
      ),
    ),
});

const training = z.strictObject({
  epochs: whole(1).default(30).meta(result('passes over the training posts')),
  batchSize: whole(1).default(16).meta(result('posts a step')),
  accumulate: whole(1)
    .default(1)
    .meta(result('parts in which a step computes its batch, one after the other: less memory, the same step')),
  clipNorm: positive().optional().meta(result('largest global norm of the gradients (default: no limit)')),
  groupByLength: whole(1)
    .default(1)
    .meta(result('steps whose posts are sorted by text length among themselves, to pad less; 1: none')),
  learningRate: positive().default(2e-4).meta(result('peak learning rate of everything but encoders')),
  encoderLearningRate: positive().default(2e-5).meta(result('peak learning rate of trainable encoders')),
  learningRateFloor: z.number().min(0).default(1e-6).meta(result('learning rate at the last step (cosine decay)')),
  weightDecay: z.number().min(0).default(0.01).meta(result('decoupled weight decay of matrices')),
  disruption: z
    .string()
    .default('none')
    .meta(
      result(
        'none, fixed:MODALITY:SETTING or random:RATIO:SETTING, with :independent for shares on average, for a setting ' +
          'also a corruption, random:0.6:typos@2, missing:image=RATIO:text=RATIO, ' +
          'or one of your own, ./blur.ts:RATIO:OPTION=VALUE; also on val',
      ),
    ),
  simulation: simulation.prefault({}),
  classWeights: z
    .union([z.enum(['none', 'balanced']), z.record(z.string(), positive())])
    .optional()
    .meta(
      result(
        'weights of classes in the classification losses: none (default), balanced, or numbers by class ' +
          'such as {"rare": 3}; the others count 1',
      ),
    ),
  selection: z
    .enum(['best-accuracy', 'best-weighted-f1', 'best-macro-f1', 'best-loss', 'last'])
    .default('best-accuracy')
    .meta(result('which epoch is kept as the result, judged on the validation split; ties go by validation loss')),
  patience: whole(1).optional().meta(result('stop after so many epochs without a better one (default: never)')),
  checkpointEvery: whole(1).optional().meta(none('also save a checkpoint every so many steps (default: every epoch)')),
  keepCheckpoints: whole(1).default(2).meta(none('how many of the last checkpoints are kept, besides the best')),
  checkpointFrozen: z
    .boolean()
    .default(false)
    .meta(none("also write encoders' frozen parameters to checkpoints; off: they are taken from the encoder's files")),
});

/** Names of this repository's methods, as experiments take them. */
export const METHOD_NAMES = [
  'drf',
  'drf-paper',
  'drf-adapted',
  'concatenation',
  'image-only',
  'text-only',
  'late-fusion',
  'hsan',
  'mvan',
  'mgnns',
  'clmlf',
  'mvcn',
] as const;
/** Methods of one modality, and the mean of both: what grids of the paper's tables leave out unless they are asked for. */
export const UNIMODAL_NAMES: readonly MethodName[] = ['image-only', 'text-only', 'late-fusion'];

/** One of {@link METHOD_NAMES}. */
export type MethodName = (typeof METHOD_NAMES)[number];
/** A method of the user's own by its id, "my-method@1f0c8a93d2e4". */
export type OwnMethodName = `${string}@${string}`;

/** Everything that decides a run. Unknown keys are refused. */
export const experimentSchema = z.strictObject({
  name: z
    .string()
    .regex(/^[\w.+-]{1,100}$/, 'use letters, digits, "-", "_", "." and "+"')
    .meta(none('name of the experiment')),
  method: z
    .union([z.enum(METHOD_NAMES), ownName('method').transform((id) => id as OwnMethodName)])
    .default('drf')
    .meta(
      result(
        `how posts are judged: ${METHOD_NAMES.join(', ')}, or a module of your own, ./my-method.ts; drf-paper is the ` +
          'paper to the letter, drf-adapted departs from it',
      ),
    ),
  methodOptions: z
    .record(z.string(), z.unknown())
    .optional()
    .meta(result('options of a method of your own, as a=1,b=2 or JSON')),
  seed: whole(0).default(0).meta(result('decides everything random')),
  engine: engineName.default('auto').meta(none(`what computes: ${ENGINE_NAMES.join(', ')}`)),
  dataset,
  encoders: encoders.prefault({}),
  model: model.prefault({}),
  compared: compared.prefault({}),
  training: training.prefault({}),
});

/** An experiment with every default filled in. */
export type ExperimentConfig = z.output<typeof experimentSchema>;
/** An experiment as a person writes it: what is left out takes its default. */
export type ExperimentInput = z.input<typeof experimentSchema>;
/** The part of an experiment that says what data it is about. */
export type DatasetConfig = ExperimentConfig['dataset'];

/** An option of the schema. */
export interface Leaf {
  /** Keys from the root of the configuration ("training", "batchSize"). */
  readonly path: readonly string[];
  readonly schema: z.ZodType;
}

/** Every option of the schema, groups resolved. */
export function leavesOf(schema: z.ZodType = experimentSchema, path: readonly string[] = []): Leaf[] {
  if (!(unwrapSchema(schema) instanceof z.ZodObject)) return [{ path, schema }];
  return Object.entries(optionsOf(schema)).flatMap(([key, child]) => leavesOf(child, [...path, key]));
}

/**
 * Options of an experiment by dotted name, in alphabetical order; those that are not set are left out.
 * @param effect of the options wanted
 */
export function optionsOfEffect(config: ExperimentConfig, effect: Effect): [name: string, value: unknown][] {
  const flat = (name: string, value: unknown): [string, unknown][] =>
    typeof value === 'object' && value !== null && !Array.isArray(value)
      ? Object.entries(value).flatMap(([key, own]) => flat(`${name}.${key}`, own))
      : [[name, value]];
  return leavesOf()
    .filter(({ schema }) => schema.meta()?.effect === effect)
    .flatMap(({ path }) => flat(path.join('.'), valueAt(config, path)))
    .filter(([, value]) => value !== undefined)
    .sort(([first], [second]) => (first < second ? -1 : 1));
}

/** What stands at a path of nested objects. */
function valueAt(value: unknown, path: readonly PropertyKey[]): unknown {
  return path.reduce<unknown>(
    (node, key) =>
      typeof node === 'object' && node !== null && key in node ? node[key as keyof typeof node] : undefined,
    value,
  );
}
