import * as tf from '@tensorflow/tfjs';
import { ConfigurationError, named, type HostTensor, type HostTree, type RgbImage, type TensorTree } from '@drf/tensor';
import { assertImage } from '../images.js';
import type { DropoutRates } from '@drf/layers';
import type { TransformerOptions } from '@drf/layers';
import type { Pooling } from '../transformers/options.js';
import { applyVit } from '../vit/apply.js';
import { specialTokens, vitTokens, type VitConfig } from '../vit/config.js';
import { paddedPieces } from './batch-pieces.js';
import type { EncoderModel, ModelOutputs, Piece } from './encoder-model.js';
import { fittedSize, type ImageProcessorConfig } from './image-processor-config.js';
import { createImageProcessor, stackPixels, type ImageProcessor } from './image-processor.js';
import { poolTokens } from './pool-tokens.js';

/** @throws ConfigurationError when the preprocessing does not make images of the size that the model reads */
function assertSize(processor: ImageProcessorConfig, { imageHeight, imageWidth }: VitConfig, subject: string): void {
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

/** A vision transformer with the image processor that came with it. */
export class ImageModel implements EncoderModel<RgbImage> {
  readonly modality = 'image';
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
    subject: string,
  ) {
    assertColor(config, subject);
    assertSize(processor, config, subject);
    this.process = createImageProcessor(processor);
    this.tokenDim = config.hiddenSize;
    this.tokenCount = vitTokens(config) - specialTokens(config);
    this.outputDim = pooling === 'pooler' ? config.poolerSize : config.hiddenSize;
    this.layers = config.layers;
    this.dropout = config.dropout;
  }

  assertContents(images: readonly RgbImage[]): void {
    images.forEach((image, i) => assertImage(image, `images[${i}]`));
  }

  async preprocess(images: readonly RgbImage[]): Promise<HostTree> {
    this.assertContents(images);
    return { pixels: this.pixels(images, images.length) };
  }

  *pieces(images: readonly RgbImage[]): Generator<Piece> {
    for (const { places, rows } of paddedPieces([...images.keys()])) {
      const inputs = async (): Promise<HostTree> => ({
        pixels: this.pixels(
          places.map((place) => images[place] as RgbImage),
          rows,
        ),
      });
      yield { places, inputs };
    }
  }

  apply(parameters: TensorTree, inputs: TensorTree, options?: TransformerOptions): ModelOutputs {
    const outputs = applyVit(this.config, parameters, inputs['pixels'] as tf.Tensor, options);
    const [batch, count] = outputs.tokens.shape as [number, number, number];
    const places = tf.slice(outputs.tokens, [0, specialTokens(this.config), 0], [-1, this.tokenCount, -1]);
    return {
      features: poolTokens(this.pooling, outputs, tf.ones([batch, count])), // special tokens included
      tokens: named(places, ['batch', 'token', 'dim']),
      mask: named(tf.ones([batch, this.tokenCount]), ['batch', 'token']),
    };
  }

  /** Images as rows of one tensor; further rows stay zero. */
  private pixels(images: readonly RgbImage[], rows: number): HostTensor {
    const { imageWidth, imageHeight } = this.config;
    return stackPixels(
      images.map((image) => this.process(image).pixels),
      rows,
      imageWidth,
      imageHeight,
    );
  }
}
