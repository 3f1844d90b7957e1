import { ConfigurationError, type HostTensor, type HostTree, type RgbImage } from '@drf/tensor';
import type { RunDescription } from '@drf/experiment';
import { hostTensor } from '@drf/tensor';
import { preprocessed, type RecordedEncoders } from './recorded-encoders.js';

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
    throw new ConfigurationError({
      subject: 'export --tokens',
      expected: `at most ${longest}, which the text encoder can read`,
      received: String(length),
    });
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
