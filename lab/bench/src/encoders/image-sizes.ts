import { openEncoder, openTrainableEncoder } from '@drf/encoders';
import { createEngine } from '@drf/engine';
import { createRandom, type Host, hostTensor, type RgbImage } from '@drf/tensor';
import { median } from '../measure.js';
import { type Inputs, stepWorkload } from './workload.js';

/** Which model, at which sizes. */
export interface ImageSizesOptions {
  readonly engine: string;
  readonly sizes: readonly number[];
  readonly batch: number;
  readonly layers: number | 'all';
  /** Measured calls, after one that is not measured. */
  readonly calls: number;
}

/** Milliseconds for one image, median of the calls. */
export interface ImageSizeTimes {
  readonly side: number;
  readonly tokens: number;
  readonly forward: number;
  readonly step: number;
}

/** Photographs' size in the benchmark data: noise of 320 × 240 pixels. */
function images(count: number): RgbImage[] {
  const random = createRandom('image sizes');
  return Array.from({ length: count }, () => ({
    width: 320,
    height: 240,
    data: Uint8Array.from({ length: 320 * 240 * 3 }, () => random.integer(256)),
  }));
}

async function timeOf(calls: number, call: (number: number) => Promise<unknown>): Promise<number> {
  const times: number[] = [];
  for (let number = 0; number <= calls; number++) {
    const start = performance.now();
    await call(number);
    if (number > 0) times.push(performance.now() - start);
  }
  return median(times);
}

/**
 * How long a vision transformer takes for an image of several sizes: its forward pass, preprocessing included, and a
 * training step under DRF's head.
 * @param model a hub id or a folder
 */
export async function measureImageSizes(model: string, options: ImageSizesOptions): Promise<ImageSizeTimes[]> {
  const { sizes, batch, layers, calls } = options;
  const posts = images(batch);
  const results: ImageSizeTimes[] = [];
  for (const side of sizes) {
    const engine = await createEngine(options.engine);
    const frozen = await openEncoder(`huggingface:${model}`, 'image', engine, { imageSize: side });
    const forward = await timeOf(calls, () => frozen.encode(posts));
    await frozen.dispose();
    const encoder = await openTrainableEncoder(`huggingface:${model}`, 'image', {
      imageSize: side,
      trainableLayers: layers,
    });
    const image = (await encoder.preprocess(posts)) as Host<Inputs['image']>;
    const none = hostTensor(new Int32Array(batch), [batch, 1]);
    const text = { ids: none, mask: hostTensor(new Float32Array(batch), [batch, 1]) };
    const sized = { batch, dim: encoder.outputDim, queue: Math.max(2, batch) };
    const workload = await stepWorkload(engine, { image: encoder }, [{ image, text }], sized, createRandom(0));
    const step = await timeOf(calls, (number) => workload.call(number));
    await workload.dispose();
    await encoder.dispose();
    await engine.dispose();
    results.push({ side, tokens: encoder.tokenCount ?? 0, forward: forward / batch, step: step / batch });
  }
  return results;
}
