import { type ImageEncoder, openEncoder, type TextEncoder } from '@drf/encoders';
import type { OpenedRun, RunDescription } from '@drf/experiment';
import {
  byModality,
  type ByModality,
  ConfigurationError,
  type Engine,
  type Host,
  type HostTensor,
  hostTensor,
  type HostTree,
  isOwnId,
  mapTree,
  type Modality,
  named,
  type Program,
  type PureFunction,
  type RgbImage,
  type TensorTree,
  UnavailableError,
  refuser,
} from '@drf/tensor';
import { toTensor } from '@drf/tensor/transfer';
import * as tf from '@tensorflow/tfjs';
import { distributionStatistics, logPeakFactor } from '@drf/distribution';
import type { PostFeatures } from '@drf/fusion';
import { intactProbabilities, tellsStates, type BatchInputs, type DrfMemoryInputs, type Prediction } from '@drf/model';
import { spell } from '@drf/terminal';

/** The pure function that an encoder consists of, its parameters bound. */
type EncoderFunction = (inputs: TensorTree) => TensorTree;

function notToRun(): never {
  throw refuser(UnavailableError, 'RecordingEngine')('functions to be recorded', 'a request to run one');
}

/** An engine that runs nothing: it keeps the functions that an encoder wants to have run, so that they can be traced. */
class RecordingEngine implements Engine {
  readonly name = 'recording';
  readonly functions: EncoderFunction[] = [];

  prepare<Constants extends TensorTree, Inputs extends TensorTree, Outputs extends TensorTree>(
    run: PureFunction<Constants, Inputs, Outputs>,
    constants: Host<Constants>,
  ): Promise<Program<Inputs, Outputs>> {
    this.functions.push((inputs) => run(mapTree(constants, toTensor) as Constants, inputs as Inputs));
    return Promise.resolve({ run: async () => notToRun(), dispose: () => Promise.resolve() });
  }

  prepareStep: Engine['prepareStep'] = async () => notToRun();

  dispose(): Promise<void> {
    return Promise.resolve();
  }
}

/** An embedded encoder as a function over the inputs that its preprocessing makes. */
interface RecordedEncoder<E extends ImageEncoder | TextEncoder = ImageEncoder | TextEncoder> {
  readonly encoder: E;
  readonly apply: EncoderFunction;
}

export interface RecordedEncoders {
  readonly image?: RecordedEncoder<ImageEncoder>;
  readonly text?: RecordedEncoder<TextEncoder>;
}

/** @throws ConfigurationError when the installed encoder is not the one that the run was trained with */
async function record<M extends Modality>(modality: M, trainedWith: string) {
  const engine = new RecordingEngine();
  const encoder = await openEncoder('embedded', modality, engine);
  const [apply] = engine.functions;
  if (encoder.id === trainedWith && apply !== undefined) return { encoder, apply };
  throw refuser(ConfigurationError, `export, ${modality} encoder`)(
    `"${trainedWith}", with which the run was trained`,
    `"${encoder.id}"`,
    'install the version that it was trained with, or export the head alone with --head-only',
  );
}

/** The run's encoders, those of them that are the embedded ones. */
export async function recordEncoders({ config, encoders }: RunDescription): Promise<RecordedEncoders> {
  return {
    ...(config.encoders.image === 'embedded' ? { image: await record('image', encoders.image) } : {}),
    ...(config.encoders.text === 'embedded' ? { text: await record('text', encoders.text) } : {}),
  };
}

/** A tensor of what an encoder's preprocessing makes. */
export function preprocessed(inputs: HostTree, name: string): HostTensor {
  return inputs[name] as HostTensor;
}

/** What a model reads for one post, without the batch axis. */
export interface InputSpecification {
  readonly name: string;
  readonly dtype: 'float32' | 'int32';
  readonly shape: readonly number[];
  readonly meaning: string;
}

const AVAILABILITY: readonly InputSpecification[] = ['image', 'text'].map((modality) => ({
  name: `${modality}Available`,
  dtype: 'float32',
  shape: [],
  meaning: `1 where the post has its ${modality}, 0 where it is missing (whatever stands in its row is then ignored)`,
}));

/** Inputs of the head: both features, and what of them is available. */
export function headInputs({ shapes, encoders }: RunDescription): InputSpecification[] {
  return [featureInput('image', shapes.imageDim, encoders.image), featureInput('text', shapes.textDim, encoders.text)]
    .concat(AVAILABILITY)
    .map((input) => ({ ...input }));
}

function featureInput(name: 'image' | 'text', dim: number, encoder: string): InputSpecification {
  return { name, dtype: 'float32', shape: [dim], meaning: `the ${name} feature by the encoder "${encoder}"` };
}

const A_PIXEL: RgbImage = { width: 1, height: 1, data: new Uint8Array(3) };
const MORE_THAN_ANY_TEXT = 'word '.repeat(2000);

/**
 * Inputs of the whole model: what the embedded encoders' preprocessing makes; the feature where the encoder is another.
 * @param length word pieces of a text; default: as many as the encoder can read
 * @throws ConfigurationError when the length is out of range
 */
export async function modelInputs(
  description: RunDescription,
  { image, text }: RecordedEncoders,
  length?: number,
): Promise<InputSpecification[]> {
  const [imageFeature, textFeature, ...available] = headInputs(description) as [
    InputSpecification,
    InputSpecification,
    ...InputSpecification[],
  ];
  return [
    ...(image === undefined
      ? [imageFeature]
      : [pixelInput(preprocessed(await image.encoder.preprocess([A_PIXEL]), 'pixels'))]),
    ...(text === undefined
      ? [textFeature]
      : tokenInputs(preprocessed(await text.encoder.preprocess([MORE_THAN_ANY_TEXT]), 'tokens'), length)),
    ...available,
  ];
}

function pixelInput({ shape }: HostTensor): InputSpecification {
  return {
    name: 'pixels',
    dtype: 'float32',
    shape: shape.slice(1),
    meaning: 'the image as height × width × (red, green, blue), each from 0 to 1',
  };
}

function tokenInputs({ shape }: HostTensor, wanted?: number): InputSpecification[] {
  const longest = shape[1] as number;
  const length = wanted ?? longest;
  if (length > longest) {
    throw refuser(ConfigurationError, 'export --tokens')(
      `at most ${longest}, which the text encoder can read`,
      String(length),
    );
  }
  return [
    { name: 'tokens', dtype: 'int32', shape: [length], meaning: 'ids of the word pieces, then zeros' },
    { name: 'tokenMask', dtype: 'float32', shape: [length], meaning: '1 for each word piece, then zeros' },
  ];
}

/** Zeros in the shapes of a batch: what a model is traced with. */
export function exampleInputs(specifications: readonly InputSpecification[], batch: number): HostTree {
  const example = ({ dtype, shape }: InputSpecification): HostTensor => {
    const size = shape.reduce((product, each) => product * each, batch);
    return hostTensor(dtype === 'int32' ? new Int32Array(size) : new Float32Array(size), [batch, ...shape]);
  };
  return Object.fromEntries(specifications.map((each) => [each.name, example(each)]));
}

/** A head's outputs by the names that they have in the file: identifiers in every language. */
export type HeadOutputs = { readonly [name: string]: tf.Tensor };

/** What DRF's prediction says beside its scores. */
type DrfDetails = {
  readonly weights: tf.Tensor;
  readonly logDensity: ByModality<tf.Tensor> & { readonly recovered: ByModality<tf.Tensor> };
  readonly features: PostFeatures;
};

/** Relative densities exp(−‖f − μ‖² / 2σ²), each [batch], and the same by Eq. 9 to the letter, over √(2π)·σ. */
function densities({ image, text, recovered }: DrfDetails['logDensity'], memory: DrfMemoryInputs): HeadOutputs {
  const peak = byModality((modality) => {
    const { rows, rowWeights } = memory[modality];
    return logPeakFactor(distributionStatistics(rows, rowWeights));
  });
  const outputs: Record<string, tf.Tensor> = { logDensityImage: image, logDensityText: text };
  for (const [feature, relative, modality] of [
    ['Image', image, 'image'],
    ['Text', text, 'text'],
    ['RecoveredText', recovered.text, 'text'],
    ['RecoveredImage', recovered.image, 'image'],
  ] as const) {
    outputs[`relativeDensity${feature}`] = tf.exp(relative);
    outputs[`density${feature}`] = tf.exp(tf.sub(relative, peak[modality]));
  }
  return outputs;
}

/** Whether a method is a form of DRF; one of the user's own may have such a name, too. */
export function isDrf(method: string): boolean {
  return method.startsWith('drf') && !isOwnId(method);
}

/** Probabilities that image and text are intact, where the run's discriminants tell. */
function intactOutputs(details: TensorTree, known: ByModality<boolean>): HeadOutputs {
  const { image, text } = intactProbabilities(details, known);
  return {
    ...(image === undefined ? {} : { intactImage: image }),
    ...(text === undefined ? {} : { intactText: text }),
  };
}

/** What the forms of DRF say beside their scores; other methods say nothing. */
function drfOutputs(method: string, details: TensorTree, memory: TensorTree): HeadOutputs {
  if (!isDrf(method)) return {};
  const { weights, logDensity, features } = details as DrfDetails;
  const quality =
    method === 'drf'
      ? { logDensityImage: logDensity.image, logDensityText: logDensity.text }
      : densities(logDensity, memory as DrfMemoryInputs);
  return {
    ...quality,
    pairWeights: weights,
    recoveredText: features.recovered.text,
    recoveredImage: features.recovered.image,
  };
}

/**
 * @throws ConfigurationError for a method that reads tokens, or cannot take a missing modality: no file here would say how
 *   to make tokens or stand-ins
 */
export function assertPooled({ method, folder }: OpenedRun): void {
  const { tokens, bothModalities } = method.needs ?? {};
  const refuse = refuser(ConfigurationError, `Export of run ${folder.path}`);
  const remedy = `export a run of drf or concatenation, or judge by the run itself: ${spell('predict')}`;
  if (tokens === true) {
    throw refuse('a method that reads one feature an image and a text', `${method.id}, which reads tokens`, remedy);
  }
  if (bothModalities === true) {
    throw refuse('a method that can take a missing modality', `${method.id}, which needs both`, remedy);
  }
}

/** Inputs by the names that they have in a file. */
export type ModelInputs = { readonly [name: string]: tf.Tensor };

/** A batch from a head's inputs: `image`, `text` [batch, dim], `imageAvailable`, `textAvailable` [batch]. */
function batchOf(inputs: ModelInputs): BatchInputs {
  return byModality((modality) => ({
    features: named(inputs[modality] as tf.Tensor, ['batch', 'width']),
    available: named(inputs[`${modality}Available`] as tf.Tensor, ['batch']),
  }));
}

/**
 * The trained head as a function of features and availability alone: parameters and memory are constants of it.
 * Methods other than DRF have probabilities and logits only, and what their discriminants say of image and text.
 */
export function headFunction(run: OpenedRun): (inputs: ModelInputs) => HeadOutputs {
  const known = tellsStates(run.parameters);
  return (inputs) => {
    const memory = mapTree(run.memory, toTensor);
    const { trained, fixed = {} } = run.parameters;
    const parameters = { trained: mapTree(trained, toTensor), fixed: mapTree(fixed, toTensor) };
    const { probabilities, logits, details }: Prediction = run.method.predict(parameters, batchOf(inputs), memory);
    const further = { ...drfOutputs(run.method.id, details, memory), ...intactOutputs(details, known) };
    return { probabilities, logits, ...further };
  };
}

function encode({ apply }: RecordedEncoder, inputs: TensorTree): tf.Tensor {
  return apply(inputs)['features'] as tf.Tensor;
}

/**
 * Encoders and head as one function: [batch, …] of raw inputs to everything that the head says. Pixels and token ids stand
 * where an encoder is part of the model, features where not.
 */
export function wholeModel(
  head: (inputs: ModelInputs) => HeadOutputs,
  { image, text }: RecordedEncoders,
): (inputs: ModelInputs) => HeadOutputs {
  return ({ pixels, tokens, tokenMask, ...others }) =>
    head({
      ...others,
      ...(image === undefined ? {} : { image: encode(image, { pixels: pixels as tf.Tensor }) }),
      ...(text === undefined
        ? {}
        : { text: encode(text, { tokens: tokens as tf.Tensor, mask: tokenMask as tf.Tensor }) }),
    });
}
