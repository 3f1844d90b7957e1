import * as tf from '@tensorflow/tfjs';
import type { DropoutRates, TransformerOptions } from '@drf/layers';
import { assertImage } from '@drf/preprocessing';
import {
  ConfigurationError,
  type Features,
  type HostTensor,
  hostTensor,
  type HostTree,
  type Modality,
  type Named,
  named,
  type RgbImage,
  type TensorTree,
} from '@drf/tensor';
import { cutBatches } from '../batches.js';
import type { Pooling } from '../contract.js';
import { assertTexts } from '../embedded/text-encoder.js';
import { createImageProcessor, fittedSize, type ImageProcessor, type ImageProcessorConfig } from './image-processor.js';
import { poolClassAndMean, poolTokens, toUnitLength } from './pooling.js';
import { fewOf, lengthFor, type TextTokenizer } from './text-tokenizer.js';
import { type BertConfig, type BertInputs, lowerBert, upperBert } from '../models/bert.js';
import { lowerVit, specialTokens, upperVit, type VitConfig, vitTokens } from '../models/vit.js';

/** What a model says of a batch; a type alias, so that it is a tree of tensors. */
export type ModelOutputs = {
  readonly features: Features;
  /** Word pieces, or places of an image row by row, without the class token. */
  readonly tokens: Named<['batch', 'token', 'dim']>;
  /** 1 where a token stands. */
  readonly mask: Named<['batch', 'token']>;
  /** Of texts: int32, the number of each word piece. */
  readonly pieces?: Named<['batch', 'token']>;
};

/**
 * A transformer with its preprocessing, before it is decided how it runs. Its parameters, which may be large, lie
 * elsewhere.
 */
export interface EncoderModel<Content> {
  readonly modality: Modality;
  /** Follows weights, configuration, preprocessing and pooling. */
  readonly id: string;
  readonly outputDim: number;
  readonly tokenDim: number;
  /** The most tokens of a content. */
  readonly tokenCount: number;
  readonly layers: number;
  readonly pooling: Pooling;
  /** In training, as the model's configuration says. */
  readonly dropout: DropoutRates;
  /** The smallest content; its inputs have the structure of any other's. */
  readonly example: Content;
  /** @throws DataError naming the place of a content that cannot be used */
  assertContents(contents: readonly Content[]): void;
  /** Contents that go into one batch of one shape. */
  preprocess(contents: readonly Content[]): Promise<HostTree>;
  /**
   * Cuts contents into batches, for a frozen encoder.
   * @param atOnce how many of them are computed at once: few images are cut into so many; texts are cut by their lengths
   * @param fewShapes whether each shape costs a graph: then batches have few sizes, and texts few lengths
   */
  pieces(contents: readonly Content[], atOnce: number, fewShapes: boolean): Iterable<Piece>;
  /** The embeddings and the layers below `layer`; pure. */
  lower(parameters: TensorTree, inputs: TensorTree, layer: number, options?: TransformerOptions): LayerStates;
  /** The layers from `layer` on and all that follows them; pure. After {@link EncoderModel.lower} the whole, to the bit. */
  upper(parameters: TensorTree, states: LayerStates, layer: number, options?: TransformerOptions): ModelOutputs;
}

/** What stands between two layers: all that the upper one needs beside its parameters. A type alias: a tree of tensors. */
export type LayerStates = {
  readonly states: Named<['batch', 'token', 'dim']>;
  /** Of texts: float32 [batch, token], 1 where a token stands. */
  readonly mask?: tf.Tensor;
  /** Of texts: int32 [batch, token], the number of each word piece. */
  readonly ids?: tf.Tensor;
};

/** A model from its inputs to its outputs. */
export function applyModel<Content>(
  model: EncoderModel<Content>,
  parameters: TensorTree,
  inputs: TensorTree,
  options?: TransformerOptions,
): ModelOutputs {
  return model.upper(parameters, model.lower(parameters, inputs, 0, options), 0, options);
}

/** Some of the contents, as inputs of one shape. */
export interface Piece {
  /** Which contents. */
  readonly places: readonly number[];
  inputs(): Promise<HostTree>;
}

/** @throws ConfigurationError when the preprocessing does not make images of the size that the model reads */
export function assertSize(
  processor: ImageProcessorConfig,
  { imageHeight, imageWidth }: VitConfig,
  subject: string,
): void {
  const size = fittedSize(processor);
  if (size?.height === imageHeight && size.width === imageWidth) return;
  throw new ConfigurationError({
    subject: `preprocessor_config.json of ${subject}`,
    expected: `images of ${imageHeight} × ${imageWidth} after preprocessing, which the model reads`,
    received: size === undefined ? 'images of any size' : `${size.height} × ${size.width}`,
    remedy: 'use the file that came with the model',
  });
}

/** @throws ConfigurationError for a model of gray images or of more than three channels; images are red, green and blue */
function assertColor({ channels }: VitConfig, subject: string): void {
  if (channels === 3) return;
  throw new ConfigurationError({
    subject: `config.json of ${subject}`,
    expected: '"num_channels" to be 3: images are given as red, green and blue',
    received: String(channels),
    remedy: 'choose a model of color images',
  });
}

/** @throws ConfigurationError when features are to come from a class token that the model has not */
function assertClassToken({ specialTokens: { class: hasClass } }: VitConfig, pooling: Pooling, subject: string): void {
  if (hasClass || (pooling !== 'cls' && pooling !== 'cls_mean')) return;
  throw new ConfigurationError({
    subject: `pooling "${pooling}" of ${subject}`,
    expected: 'a model with a class token',
    received: 'one of patches alone',
    remedy: 'choose the pooling "pooler" or "mean"',
  });
}

/** A vision transformer with the image processor that came with it. */
export class ImageModel implements EncoderModel<RgbImage> {
  readonly modality = 'image';
  readonly example = { width: 16, height: 16, data: new Uint8Array(16 * 16 * 3) };
  readonly outputDim: number;
  readonly tokenDim: number;
  readonly tokenCount: number;
  readonly layers: number;
  readonly dropout: DropoutRates;
  private readonly process: ImageProcessor;

  constructor(
    readonly id: string,
    readonly pooling: Pooling,
    private readonly config: VitConfig,
    processor: ImageProcessorConfig,
    /** Width of the model's own pooled output. */
    pooledSize: number,
    subject: string,
  ) {
    assertColor(config, subject);
    assertSize(processor, config, subject);
    assertClassToken(config, pooling, subject);
    this.process = createImageProcessor(processor);
    this.tokenDim = config.hiddenSize;
    this.tokenCount = vitTokens(config) - specialTokens(config);
    this.outputDim = pooling === 'pooler' ? pooledSize : (pooling === 'cls_mean' ? 2 : 1) * config.hiddenSize;
    this.layers = config.layers;
    this.dropout = config.dropout;
  }

  assertContents(images: readonly RgbImage[]): void {
    images.forEach((image, i) => assertImage(image, `images[${i}]`));
  }

  async preprocess(images: readonly RgbImage[]): Promise<HostTree> {
    this.assertContents(images);
    return { pixels: this.pixels(images) };
  }

  *pieces(images: readonly RgbImage[], atOnce: number, fewShapes: boolean): Generator<Piece> {
    for (const places of cutBatches([...images.keys()], atOnce, fewShapes)) {
      const inputs = async (): Promise<HostTree> => ({
        pixels: this.pixels(places.map((place) => images[place] as RgbImage)),
      });
      yield { places, inputs };
    }
  }

  lower(parameters: TensorTree, inputs: TensorTree, layer: number, options?: TransformerOptions): LayerStates {
    const states = lowerVit(this.config, parameters, inputs['pixels'] as tf.Tensor, layer, options);
    return { states: named(states, ['batch', 'token', 'dim']) };
  }

  upper(parameters: TensorTree, { states }: LayerStates, layer: number, options?: TransformerOptions): ModelOutputs {
    const outputs = upperVit(this.config, parameters, states, layer, options);
    const [batch, count] = outputs.tokens.shape as [number, number, number];
    const places = tf.slice(outputs.tokens, [0, specialTokens(this.config), 0], [-1, this.tokenCount, -1]);
    return {
      features:
        this.pooling === 'cls_mean'
          ? poolClassAndMean(outputs.tokens, specialTokens(this.config))
          : poolTokens(this.pooling, outputs, tf.ones([batch, count])), // special tokens included
      tokens: named(places, ['batch', 'token', 'dim']),
      mask: named(tf.ones([batch, this.tokenCount]), ['batch', 'token']),
    };
  }

  /** Images as rows of one tensor. */
  private pixels(images: readonly RgbImage[]): HostTensor {
    const { imageWidth, imageHeight } = this.config;
    const size = imageWidth * imageHeight * 3;
    const pixels = new Float32Array(images.length * size);
    images.forEach((image, i) => this.process(image, pixels.subarray(i * size, (i + 1) * size)));
    return hostTensor(pixels, [images.length, imageHeight, imageWidth, 3]);
  }
}

/** Token ids as a model reads them. */
type TextInputs = {
  /** int32 [texts, length] */
  readonly ids: HostTensor;
  /** float32 [texts, length]: 1 token, 0 padding */
  readonly mask: HostTensor;
};

/** Lists of ids as rows of one length; what is left over is padding. */
function padTexts(lists: readonly (readonly number[])[], length: number, paddingId: number): TextInputs {
  const shape = [lists.length, length];
  const ids = new Int32Array(lists.length * length).fill(paddingId);
  const mask = new Float32Array(ids.length);
  lists.forEach((list, row) => {
    ids.set(list, row * length);
    mask.fill(1, row * length, row * length + list.length);
  });
  return { ids: hostTensor(ids, shape), mask: hostTensor(mask, shape) };
}

/** {@link Pooling} of texts. */
export type TextPooling = Exclude<Pooling, 'cls_mean'>;

/** A text encoder with the tokenizer that came with it. */
export class TextModel implements EncoderModel<string> {
  readonly modality = 'text';
  readonly example = '';
  readonly outputDim: number;
  readonly tokenDim: number;
  readonly tokenCount: number;
  readonly layers: number;
  readonly dropout: DropoutRates;
  readonly maskToken: string;
  private readonly paddingId: number;

  constructor(
    readonly id: string,
    readonly pooling: TextPooling,
    private readonly config: BertConfig,
    private readonly tokenizer: TextTokenizer,
    private readonly lengths: readonly number[],
    /** Features at length 1. */
    private readonly normalizes: boolean,
    /** Width of the model's own pooled output. */
    pooledSize: number,
  ) {
    this.tokenDim = config.hiddenSize;
    this.tokenCount = lengths.at(-1) as number;
    this.outputDim = pooling === 'pooler' ? pooledSize : config.hiddenSize;
    this.paddingId = config.readsPadding ? (tokenizer.paddingId as number) : config.paddingId;
    this.layers = config.layers;
    this.dropout = config.dropout;
    this.maskToken = tokenizer.maskToken;
  }

  assertContents(texts: readonly string[]): void {
    assertTexts(texts);
  }

  async preprocess(texts: readonly string[]): Promise<HostTree> {
    const lists = this.tokenize(texts);
    const longest = Math.max(0, ...lists.map((list) => list.length));
    return padTexts(lists, lengthFor(longest, this.lengths), this.paddingId);
  }

  *pieces(texts: readonly string[], _: number, fewShapes: boolean): Generator<Piece> {
    const lists = this.tokenize(texts);
    const lengths = fewShapes ? fewOf(this.lengths) : this.lengths;
    const padded = lists.map((list) => lengthFor(list.length, lengths));
    for (const length of lengths) {
      const alike = [...lists.keys()].filter((i) => padded[i] === length);
      for (const places of cutBatches(alike, 1, fewShapes)) {
        const own = places.map((place) => lists[place] as readonly number[]);
        const inputs = async (): Promise<HostTree> => padTexts(own, length, this.paddingId);
        yield { places, inputs };
      }
    }
  }

  lower(parameters: TensorTree, inputs: TensorTree, layer: number, options?: TransformerOptions): LayerStates {
    const { ids, mask } = inputs as BertInputs;
    const states = lowerBert(this.config, parameters, inputs as BertInputs, layer, options);
    return { states: named(states, ['batch', 'token', 'dim']), mask, ids };
  }

  upper(parameters: TensorTree, between: LayerStates, layer: number, options?: TransformerOptions): ModelOutputs {
    const { states, mask, ids } = between as Required<LayerStates>;
    const outputs = upperBert(this.config, parameters, states, { ids, mask }, layer, options);
    const features = poolTokens(this.pooling, outputs, mask);
    return {
      features: this.normalizes ? toUnitLength(features) : features,
      tokens: outputs.tokens,
      mask: named(mask, ['batch', 'token']),
      pieces: named(ids, ['batch', 'token']),
    };
  }

  private tokenize(texts: readonly string[]): number[][] {
    this.assertContents(texts);
    const most = this.lengths.at(-1) as number;
    return texts.map((text) => this.tokenizer.encode(text, most));
  }
}
