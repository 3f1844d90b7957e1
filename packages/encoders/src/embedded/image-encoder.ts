import { assertImage, unitPixels } from '@drf/preprocessing';
import {
  type Engine,
  type Host,
  hostTensor,
  type HostTensor,
  type HostTree,
  mapAhead,
  type Program,
  type RgbImage,
} from '@drf/tensor';
import { copyRows, emptyRows, PIECES_AHEAD, splitBatch } from '../batches.js';
import { type ImageEncoder, type TokenFeatures, UseGuard } from '../contract.js';
import { loadMobileNet, MOBILE_NET_DIM, mobileNetFeatures, mobileNetTokens, type PixelInputs } from './mobile-net.js';

/** Width and height that the network reads. */
const EMBEDDED_IMAGE_SIZE = 224;
/** Images that are computed at once: eight take longer each, as their maps, of 7 MB an image, leave the caches. */
const LARGEST_BATCH = 4;
/** Images that a call handles best: the next ones are prepared meanwhile. */
const PREFERRED_BATCH = 16;
/** Places of the last map, 7 × 7. */
const PLACES = 49;
/** Part of the id: changes when the preprocessing does. */
const PREPROCESSING = 'fill224-linear-v1';

type FeatureProgram = Program<PixelInputs, ReturnType<typeof mobileNetFeatures>>;
type TokenProgram = Program<PixelInputs, ReturnType<typeof mobileNetTokens>>;

class EmbeddedImageEncoder implements ImageEncoder {
  readonly modality = 'image';
  readonly trainable = false;
  readonly outputDim = MOBILE_NET_DIM;
  readonly tokenDim = MOBILE_NET_DIM;
  readonly preferredBatch = PREFERRED_BATCH;
  private readonly guard = new UseGuard('embedded image encoder');
  private tokenProgram: Promise<TokenProgram> | undefined;

  constructor(
    readonly id: string,
    private readonly engine: Engine,
    private readonly parameters: HostTree,
    private readonly featureProgram: FeatureProgram,
  ) {}

  async preprocess(images: readonly RgbImage[]): Promise<Host<PixelInputs>> {
    return { pixels: await unitPixels(images, EMBEDDED_IMAGE_SIZE) };
  }

  async encode(images: readonly RgbImage[]): Promise<HostTensor> {
    const run = async (inputs: Host<PixelInputs>): Promise<HostTensor> =>
      (await this.featureProgram.run(inputs)).features;
    return this.inPieces(images, emptyRows(images.length, MOBILE_NET_DIM), run);
  }

  async encodeTokens(images: readonly RgbImage[]): Promise<TokenFeatures> {
    this.guard.assertUsable();
    this.tokenProgram ??= this.engine.prepare(mobileNetTokens, this.parameters);
    const program = await this.tokenProgram;
    const run = async (inputs: Host<PixelInputs>): Promise<HostTensor> => (await program.run(inputs)).tokens;
    const tokens = await this.inPieces(images, emptyRows(images.length, PLACES, MOBILE_NET_DIM), run);
    return { tokens, mask: hostTensor(new Float32Array(images.length * PLACES).fill(1), [images.length, PLACES]) };
  }

  async dispose(): Promise<void> {
    if (!this.guard.dispose()) return;
    await this.featureProgram.dispose();
    await (await this.tokenProgram)?.dispose();
  }

  private async inPieces(
    images: readonly RgbImage[],
    rows: HostTensor,
    run: (inputs: Host<PixelInputs>) => Promise<HostTensor>,
  ): Promise<HostTensor> {
    this.guard.assertUsable();
    images.forEach((image, i) => assertImage(image, `images[${i}]`)); // all of them before any work
    const pieces = splitBatch([...images.keys()], LARGEST_BATCH);
    const computed = mapAhead(pieces, PIECES_AHEAD, async (piece) => {
      const inputs = await this.preprocess(piece.map((i) => images[i] as RgbImage));
      return { piece, outputs: await run(inputs) };
    });
    for await (const { piece, outputs } of computed) copyRows(rows, outputs, piece);
    return rows;
  }
}

/**
 * The image encoder that needs no download: MobileNetV2 (width 1.4) out of the npm package `nsfwjs`, its last map
 * averaged to 1,792 values. Images of any size are scaled to 224 × 224 without keeping their aspect, as `nsfwjs` does.
 * @throws UnavailableError when the package is not installed; CheckpointError when its weights are not the known ones
 */
export async function createEmbeddedImageEncoder(engine: Engine): Promise<ImageEncoder> {
  const { parameters, revision } = loadMobileNet();
  const program = await engine.prepare(mobileNetFeatures, parameters);
  return new EmbeddedImageEncoder(
    `embedded:mobilenet-v2-1.4:${revision}:${PREPROCESSING}`,
    engine,
    parameters,
    program,
  );
}
