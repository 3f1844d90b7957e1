import type { ImageProcessor, RawImage, Tensor } from '@huggingface/transformers';
import { assertImage, resizeImage, type ResizeKernel } from '@drf/preprocessing';
import { ConfigurationError, DataError, hostTensor, type HostTensor, type HostTree, type RgbImage } from '@drf/tensor';
import { inBatches, joinTokens, outputWidths, type Widths } from '../batches.js';
import { type ImageEncoder, type TokenFeatures, UseGuard } from '../contract.js';
import { type Library, type LoadedModel, loadModel, type TransformersEncoderOptions } from './load-model.js';
import { type LibraryOutputs, poolOutputs, tokenStates } from './outputs.js';

/** Kernels by the numbers of Pillow's filters, which is how preprocessor_config.json says them. */
const KERNELS: Readonly<Record<string, ResizeKernel>> = {
  0: 'nearest',
  1: 'lanczos3',
  2: 'linear',
  3: 'cubic',
  4: 'linear', // box and Hamming: the nearest that there is, as in the library
  5: 'linear',
};

/**
 * An image for the library's preprocessing that scales itself as Pillow does, with a filter that widens when
 * shrinking. The library's own way aliases, and darkens the edges of images that it enlarges.
 */
function scalableImage(library: Library, image: RgbImage): RawImage {
  const result = new library.RawImage(image.data, image.width, image.height, 3);
  result.resize = async (width, height, { resample = 2 } = {}) => {
    const kernel = KERNELS[String(resample)] ?? 'linear';
    return scalableImage(library, await resizeImage(image, Math.round(width), Math.round(height), kernel));
  };
  return result;
}

const BATCH = 16;

class TransformersImageEncoder implements ImageEncoder {
  readonly modality = 'image';
  readonly trainable = false;
  readonly preferredBatch = BATCH;
  readonly outputDim: number;
  readonly tokenDim?: number;
  private readonly guard = new UseGuard('transformers.js image encoder');

  constructor(
    readonly id: string,
    private readonly library: Library,
    private readonly loaded: LoadedModel<ImageProcessor>,
    private readonly pooling: TransformersEncoderOptions['pooling'],
    widths: Widths,
  ) {
    this.outputDim = widths.outputDim;
    if (widths.tokenDim !== undefined) this.tokenDim = widths.tokenDim;
  }

  async preprocess(images: readonly RgbImage[]): Promise<HostTree> {
    this.check(images);
    if (images.length === 0) return {};
    const pixels = await pixelValues(this.library, this.loaded, images);
    return { pixel_values: hostTensor(Float32Array.from(pixels.data as Float32Array), pixels.dims) };
  }

  async encode(images: readonly RgbImage[]): Promise<HostTensor> {
    this.check(images);
    return inBatches(images, BATCH, this.outputDim, async (batch) =>
      poolOutputs('image', this.pooling, await run(this.library, this.loaded, batch)),
    );
  }

  async encodeTokens(images: readonly RgbImage[]): Promise<TokenFeatures> {
    this.check(images);
    const parts: TokenFeatures[] = [];
    for (let start = 0; start < images.length; start += BATCH) {
      const tokens = tokenStates(await run(this.library, this.loaded, images.slice(start, start + BATCH)));
      if (tokens === undefined) continue;
      const [batch, length] = tokens.shape as [number, number];
      parts.push({ tokens, mask: hostTensor(new Float32Array(batch * length).fill(1), [batch, length]) });
    }
    return joinTokens(parts, this.tokenDim ?? this.outputDim);
  }

  async dispose(): Promise<void> {
    if (this.guard.dispose()) await this.loaded.model.dispose();
  }

  private check(images: readonly RgbImage[]): void {
    this.guard.assertUsable();
    images.forEach((image, i) => assertImage(image, `images[${i}]`));
  }
}

/** Each image through the model's own preprocessing, [images, 3, height, width]. */
async function pixelValues(
  library: Library,
  { preprocessor, source }: LoadedModel<ImageProcessor>,
  images: readonly RgbImage[],
): Promise<Tensor> {
  const each = await Promise.all(
    images.map(async (image) => {
      const inputs = (await preprocessor([scalableImage(library, image)])) as { pixel_values: Tensor };
      return inputs.pixel_values;
    }),
  );
  const sizes = new Set(each.map(({ dims }) => dims.slice(1).join(' × ')));
  if (sizes.size > 1) {
    throw new DataError({
      subject: `preprocessor_config.json of ${source.name}`,
      expected: 'images of one size after preprocessing',
      received: [...sizes].join(', '),
      remedy: 'scale the images to one size first, or add do_resize and size to that file',
    });
  }
  return library.cat(each, 0);
}

async function run(
  library: Library,
  loaded: LoadedModel<ImageProcessor>,
  images: readonly RgbImage[],
): Promise<LibraryOutputs> {
  const pixels = await pixelValues(library, loaded, images);
  return (await loaded.model({ pixel_values: pixels })) as LibraryOutputs;
}

/** @throws ConfigurationError for a model of gray images; images are red, green and blue */
function assertColor({ model, source }: LoadedModel<ImageProcessor>): void {
  const { num_channels: channels = 3 } = model.config as { readonly num_channels?: unknown };
  if (channels === 3) return;
  throw new ConfigurationError({
    subject: `config.json of ${source.name}`,
    expected: '"num_channels" to be 3: images are given as red, green and blue',
    received: String(channels),
    remedy: 'choose a model of color images',
  });
}

/** See {@link createTransformersEncoder}. */
export async function createTransformersImageEncoder(
  library: Library,
  options: TransformersEncoderOptions,
): Promise<ImageEncoder> {
  const loaded = await loadModel(library, options, ['preprocessor_config.json'], (name, load) =>
    library.AutoImageProcessor.from_pretrained(name, load),
  );
  assertColor(loaded);
  const blank = { width: 32, height: 32, data: new Uint8Array(32 * 32 * 3) };
  const outputs = await run(library, loaded, [blank]);
  const widths = outputWidths(poolOutputs('image', options.pooling, outputs), tokenStates(outputs));
  const { pooling = 'default', dtype = 'fp32' } = options;
  const name = loaded.source.isFolder ? '' : options.model;
  const id = `transformers:image:${name}:${loaded.revision}:${dtype}:${pooling}:v1`;
  return new TransformersImageEncoder(id, library, loaded, options.pooling, widths);
}
