import {
  balancedClassWeights,
  createConcatenation,
  createDrf,
  createGatedDrf,
  drfConfig,
  methodOf,
  withClassWeights,
  withDiscriminants,
  withEncoders,
  type DrfConfig,
  type EncodedMethod,
  type FeatureMoments,
  type Method,
  type MethodDefinition,
  type MethodNeeds,
  type MethodShapes,
  type StepEncoders,
  type TokenShape,
} from '@drf/model';
import {
  COMPARED_NEEDS,
  createClmlf,
  createHsan,
  createLateFusion,
  createMgnns,
  createMvcn,
  createMvan,
  createUnimodal,
  type MeasuredGraphs,
} from '@drf/baselines';
import type { WeightingMode } from '@drf/fusion';
import { tokenLayoutOf } from '@drf/encoders';
import { suggestion } from '@drf/terminal';
import { ConfigurationError, isOwnId, MODALITIES, ownDefinition, type Modality, type OwnDefinition } from '@drf/tensor';
import { comparedOptions, formOf } from './compared-options.js';
import type { ExperimentConfig, MethodName, OwnMethodName } from './schema.js';
import type { Session } from './session.js';

/** Share of discriminants where a method has them and nothing else is said. */
export const DISCRIMINANT_SHARE = 0.5;

/** What the experiment's method asks of the pipeline. */
export function methodNeeds({ method }: Pick<ExperimentConfig, 'method'>): MethodNeeds {
  return (isOwn(method) ? ownMethod(method).definition.needs : METHODS[method].needs) ?? {};
}

function isOwn(method: ExperimentConfig['method']): method is OwnMethodName {
  return isOwnId(method);
}

function ownMethod(method: OwnMethodName): OwnDefinition<MethodDefinition> {
  return ownDefinition<MethodDefinition>(method, 'method');
}

/** An experiment whose options of modules of the user's own are checked, with their defaults. @throws ConfigurationError */
export function withParsedOptions(config: ExperimentConfig): ExperimentConfig {
  const { method, methodOptions, dataset, encoders } = config;
  const options = MODALITIES.filter((modality) => isOwnId(encoders[modality])).map((modality) => {
    const { parseOptions } = ownDefinition(encoders[modality], 'encoder');
    return [modality, parseOptions(encoders.options[modality] ?? {})];
  });
  return {
    ...config,
    ...(isOwn(method) ? { methodOptions: ownMethod(method).parseOptions(methodOptions ?? {}) } : {}),
    dataset: isOwnId(dataset.name)
      ? { ...dataset, options: ownDefinition(dataset.name, 'data set').parseOptions(dataset.options ?? {}) }
      : dataset,
    encoders: { ...encoders, options: { ...encoders.options, ...Object.fromEntries(options) } },
  };
}

/** The widths that a session's encoders give, with those of tokens where the method reads them. */
export function methodShapes(
  { image, text }: Pick<Session, 'image' | 'text'>,
  classes: number,
  needs: MethodNeeds,
): Pick<MethodShapes, 'imageDim' | 'textDim' | 'classes' | 'tokens'> {
  const tokens = needs.tokens === true ? { tokens: { image: tokenShape(image), text: tokenShape(text) } } : {};
  return { imageDim: image.outputDim, textDim: text.outputDim, classes, ...tokens };
}

/** Frozen encoders' tokens come in one layout, trained ones' as they leave the encoder: all of them, at full width. */
function tokenShape(encoder: Session['image'] | Session['text']): TokenShape {
  const layout = tokenLayoutOf(encoder);
  if (!encoder.trainable) return layout;
  return { count: encoder.tokenCount ?? layout.count, dim: encoder.tokenDim ?? layout.dim };
}

/** Options of DRF that an experiment may leave to its method. */
export interface DrfForm {
  readonly weighting: WeightingMode;
  readonly recoveryTargetGradient: boolean;
  readonly fusionLayers: 2 | 3;
}

/** What an experiment's form of DRF is: `drf-paper` is the paper to the letter unless options say otherwise. */
export function drfForm({ method, model }: Pick<ExperimentConfig, 'method' | 'model'>): DrfForm {
  const isLetter = method === 'drf-paper';
  return {
    weighting: model.weighting ?? (isLetter ? 'density' : 'normalized'),
    recoveryTargetGradient: model.recoveryTargetGradient ?? isLetter,
    fusionLayers: model.fusionLayers ?? (method === 'drf' ? 2 : 3),
  };
}

/**
 * What options make of `drf-paper` that the paper does not say, such as "weighting normalized"; nothing for the letter,
 * and for methods that do not claim it.
 */
export function departuresFromLetter(config: Pick<ExperimentConfig, 'method' | 'model' | 'training'>): string[] {
  if (config.method !== 'drf-paper') return [];
  const { weighting, recoveryTargetGradient, fusionLayers } = drfForm(config);
  const { standardize, featureNorm, lossScales } = config.model;
  const { share: simulated = 0 } = config.training.simulation;
  const factors = (['distribution', 'recovery', 'classification'] as const).filter((part) => lossScales[part] !== 1);
  return [
    ...(weighting === 'density' ? [] : [`weighting ${weighting}`]),
    ...(recoveryTargetGradient ? [] : ['constant recovery targets']),
    ...(fusionLayers === 3 ? [] : [`${fusionLayers} fusion layers`]),
    ...(standardize ? ['standardized features'] : []),
    ...(featureNorm === 'none' ? [] : [`features of ${featureNorm} norm`]),
    ...factors.map((part) => `factor ${lossScales[part]} of the ${part} loss`),
    ...(simulated > 0 ? [`simulated disruptions of a share of ${simulated}`] : []),
  ];
}

/**
 * The method that an experiment asks for.
 * @param shapes with `standardization` measured on the training posts; a model whose parameters come from a checkpoint
 *   brings its own, so there it may be left out, as may `classWeights`, `classCounts`, and `graphs`, which only mgnns reads
 * @throws ConfigurationError when the attention heads do not divide the width
 */
export function createMethod(config: ExperimentConfig, shapes: MethodShapes, graphs?: MeasuredGraphs): Method {
  const plain = createUnweightedMethod(config, shapes, graphs);
  const method = discriminantShare(config) > 0 ? withDiscriminants(plain, shapes) : plain;
  if (!weighsClasses(config)) return method;
  return withClassWeights(method, shapes.classWeights ?? new Float32Array(shapes.classes).fill(1));
}

/**
 * The share of discriminants that a method has where an experiment leaves it open: `drf` has some, unless an encoder is an
 * embedded one. Over those they cost 1.9 points on intact posts of MVSA-Single and gain nothing on disrupted ones
 * (docs/decisions/41-class-evidence.md).
 */
export function defaultDiscriminants({ method, encoders }: Pick<ExperimentConfig, 'method' | 'encoders'>): {
  readonly discriminants?: number;
} {
  const isEmbedded = MODALITIES.some((modality) => encoders[modality] === 'embedded');
  return method === 'drf' && !isEmbedded ? { discriminants: DISCRIMINANT_SHARE } : {};
}

/** The share of discriminants in the answer, 0 where there are none. */
export function discriminantShare({ model }: Pick<ExperimentConfig, 'model'>): number {
  return model.discriminants ?? 0;
}

function createUnweightedMethod(config: ExperimentConfig, shapes: MethodShapes, graphs?: MeasuredGraphs): Method {
  const { standardization = unmeasured(shapes.imageDim, shapes.textDim), ...others } = shapes;
  const { tokenStandardization = unmeasuredTokens(shapes), ...widths } = others;
  const full: MethodShapes = config.model.standardize ? { ...widths, standardization, tokenStandardization } : widths;
  const { method, methodOptions = {} } = config;
  if (!isOwn(method)) return METHODS[method].create(config, full, graphs);
  const { definition, parseOptions } = ownMethod(method);
  return methodOf(method, definition.needs, definition.create(parseOptions(methodOptions), full));
}

/** Every method of this repository: what it asks of the pipeline, and how an experiment's options make it. */
const METHODS: Readonly<
  Record<
    MethodName,
    {
      readonly needs?: MethodNeeds;
      create(config: ExperimentConfig, shapes: MethodShapes, graphs?: MeasuredGraphs): Method;
    }
  >
> = {
  drf: {
    create: (config, shapes) => {
      const { gaussianRank, gateHidden, lossScales } = config.model;
      return createGatedDrf({ ...drfOptions(config), gaussianRank, gateHidden, pairSupervision: lossScales.pairs }, shapes); // prettier-ignore
    },
  },
  'drf-paper': { create: (config, shapes) => createDrf(drfOptions(config), shapes, 'drf-paper') },
  'drf-adapted': { create: (config, shapes) => createDrf(drfOptions(config), shapes, 'drf-adapted') },
  concatenation: {
    create: ({ model: { dim, featureNorm } }, shapes) => createConcatenation({ dim, featureNorm }, shapes),
  },
  'image-only': {
    needs: { reads: ['image'] },
    create: ({ model: { dim, featureNorm } }, shapes) => createUnimodal('image', { dim, featureNorm }, shapes),
  },
  'text-only': {
    needs: { reads: ['text'] },
    create: ({ model: { dim, featureNorm } }, shapes) => createUnimodal('text', { dim, featureNorm }, shapes),
  },
  'late-fusion': {
    create: ({ model: { dim, featureNorm } }, shapes) => createLateFusion({ dim, featureNorm }, shapes),
  },
  hsan: {
    needs: COMPARED_NEEDS,
    create: (config, shapes) => createHsan({ dim: comparedOptions(config).width }, shapes),
  },
  mvan: {
    needs: COMPARED_NEEDS,
    create: (config, shapes) => {
      const { width: dim, hops } = comparedOptions(config);
      return createMvan({ dim, hops }, shapes);
    },
  },
  mgnns: {
    needs: COMPARED_NEEDS,
    create: (config, shapes, graphs) => {
      const sizes = comparedOptions(config);
      const options = { dim: sizes.width, heads: headsOf(config), graphs: sizes, form: formOf(config) };
      return createMgnns(options, shapes, graphs);
    },
  },
  clmlf: {
    needs: COMPARED_NEEDS,
    create: (config, shapes) => {
      const sizes = comparedOptions(config);
      const own = { dim: sizes.width, heads: headsOf(config), form: formOf(config), seed: config.seed };
      return createClmlf({ ...sizes, ...own }, shapes);
    },
  },
  mvcn: {
    needs: COMPARED_NEEDS,
    create: (config, shapes) => {
      const sizes = comparedOptions(config);
      return createMvcn({ ...sizes, dim: sizes.width }, shapes);
    },
  },
};

/** DRF's configuration out of an experiment's options. */
function drfOptions(config: ExperimentConfig): DrfConfig {
  const { dim, converterHidden = dim, fusionHidden = dim } = config.model;
  return drfConfig(dim, { ...config.model, converterHidden, fusionHidden, ...drfForm(config) });
}

function headsOf(config: ExperimentConfig): number {
  const { heads, width } = comparedOptions(config);
  if (width % heads === 0) return heads;
  throw new ConfigurationError({
    subject: 'compared.heads',
    expected: `a divisor of the width, ${width}`,
    received: String(heads),
    remedy: 'change one of the two',
  });
}

/** Which encoders an experiment fine-tunes. */
export interface TrainedModalities {
  readonly encoders: { readonly trainable: { readonly [modality in Modality]: boolean } };
}

/** Whether an experiment fine-tunes any encoder. */
export function trainsEncoders({ encoders }: TrainedModalities): boolean {
  return encoders.trainable.image || encoders.trainable.text;
}

/** A session's encoders that are trained, for {@link withEncoders}. */
export function trainedEncoders({ image, text }: Pick<Session, 'image' | 'text'>): StepEncoders {
  return { ...(image.trainable ? { image } : {}), ...(text.trainable ? { text } : {}) };
}

/** The method that an experiment asks for, over its trained encoders. @param shapes and graphs as of {@link createMethod} */
export function createEncodedMethod(
  config: ExperimentConfig,
  shapes: MethodShapes,
  encoders: StepEncoders,
  graphs?: MeasuredGraphs,
): EncodedMethod {
  const method = createMethod(config, shapes, graphs);
  return Object.keys(encoders).length === 0 ? method : withEncoders(method, encoders);
}

function unmeasuredTokens({ tokens }: MethodShapes): MethodShapes['tokenStandardization'] {
  return tokens === undefined ? undefined : unmeasured(tokens.image.dim, tokens.text.dim);
}

function unmeasured(imageDim: number, textDim: number): NonNullable<MethodShapes['standardization']> {
  const unit = (width: number): FeatureMoments => ({
    mean: new Float32Array(width),
    std: new Float32Array(width).fill(1),
  });
  return { image: unit(imageDim), text: unit(textDim) };
}

/** Whether an experiment's classification losses count classes by weights. */
function weighsClasses({ training }: Pick<ExperimentConfig, 'training'>): boolean {
  return training.classWeights !== undefined && training.classWeights !== 'none';
}

/**
 * The weights that an experiment asks for.
 * @param classes names, in their order
 * @param labels class index of each training post
 * @returns [classes]; nothing where all classes count the same
 * @throws ConfigurationError when a weight is of no class
 */
export function measureClassWeights(
  config: Pick<ExperimentConfig, 'training'>,
  classes: readonly string[],
  labels: Int32Array | readonly number[],
): Float32Array | undefined {
  const { classWeights } = config.training;
  if (classWeights === undefined || classWeights === 'none') return undefined;
  if (classWeights === 'balanced') return balancedClassWeights(labels, classes.length);
  const unknown = Object.keys(classWeights).find((name) => !classes.includes(name));
  if (unknown !== undefined) throw noSuchClass(unknown, classes);
  return Float32Array.from(classes, (name) => (Object.hasOwn(classWeights, name) ? classWeights[name] : 1) as number);
}

/** Training posts of each class, [classes]. @param labels class index of each training post */
export function countClasses(labels: Int32Array | readonly number[], classes: number): Float32Array {
  const counts = new Float32Array(classes);
  for (const label of labels) counts[label] = (counts[label] as number) + 1;
  return counts;
}

function noSuchClass(name: string, classes: readonly string[]): ConfigurationError {
  return new ConfigurationError({
    subject: 'training.classWeights',
    expected: 'names of classes',
    received: JSON.stringify(name),
    remedy: suggestion(name, classes),
  });
}
