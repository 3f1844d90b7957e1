import { decodeImage } from '@drf/preprocessing';
import type { Encoder } from '@drf/encoders';
import { RunFolder, startSession, type FrozenSession } from '@drf/experiment';
import { ConfigurationError, MODALITIES, type HostTensor, type Modality } from '@drf/tensor';
import { median } from '../measure.js';
import { makePosts } from './posts.js';

export interface BatchingRow {
  readonly modality: Modality;
  readonly batch: number;
  /** Median over the rounds, of a content. */
  readonly milliseconds: number;
  /** Batched beside alone, in the same rounds. */
  readonly timeRatio: number;
  readonly contents: number;
  /** Contents whose feature differs in any bit from the one that they have alone. */
  readonly differing: number;
  readonly largestDifference: number;
}

/** Contents of each modality that are encoded. */
const CONTENTS = 16;

/**
 * Would encoding several posts at once, as the service does not, be faster, and would the features be the same?
 * @throws ConfigurationError for a run whose encoders were trained with it
 */
export async function measureBatching(
  run: string,
  options: { readonly batches: readonly number[]; readonly rounds: number; readonly seed: number },
): Promise<readonly BatchingRow[]> {
  const { config, encoders: ids } = await (await RunFolder.open(run)).readDescription();
  const { trainable } = config.encoders;
  if (trainable.image || trainable.text) throw needsFrozen(run);
  const session = (await startSession(
    { encoders: config.encoders, engine: 'auto' },
    { recorded: { ids } },
  )) as FrozenSession;
  try {
    const posts = await makePosts(CONTENTS * 2, options.seed);
    const side = config.dataset.imageSize;
    const decoding = { width: side, height: side, fit: 'stretch', maximumPixels: 1e8 } as const;
    const files = posts.flatMap(({ image }) => (image === null ? [] : [image])).slice(0, CONTENTS);
    const contents = {
      image: await Promise.all(files.map((file, i) => decodeImage(`image ${i}`, file, decoding))),
      text: posts.flatMap(({ text }) => (text === null ? [] : [text])).slice(0, CONTENTS),
    };
    const rows: BatchingRow[] = [];
    for (const modality of MODALITIES) {
      const encode = (some: readonly unknown[]): Promise<HostTensor> => (session[modality] as Encoder<never> & { encode(contents: readonly unknown[]): Promise<HostTensor> }).encode(some); // prettier-ignore
      for (const batch of options.batches) rows.push(await compare(modality, encode, contents[modality], batch, options.rounds)); // prettier-ignore
    }
    return rows;
  } finally {
    await session.dispose();
  }
}

async function compare(
  modality: Modality,
  encode: (contents: readonly unknown[]) => Promise<HostTensor>,
  contents: readonly unknown[],
  batch: number,
  rounds: number,
): Promise<BatchingRow> {
  const inGroups = async (size: number): Promise<{ features: Float32Array[]; milliseconds: number }> => {
    const features: Float32Array[] = [];
    const started = performance.now();
    for (let i = 0; i < contents.length; i += size) {
      const { data, shape } = await encode(contents.slice(i, i + size));
      const width = shape[1] as number;
      for (let row = 0; row < (shape[0] as number); row++) features.push((data as Float32Array).slice(row * width, (row + 1) * width)); // prettier-ignore
    }
    return { features, milliseconds: (performance.now() - started) / contents.length };
  };
  await inGroups(batch); // makes its sessions
  const times: number[] = [];
  const ratios: number[] = [];
  let differences: number[] = [];
  for (let round = 0; round < rounds; round++) {
    const alone = await inGroups(1);
    const together = await inGroups(batch);
    times.push(together.milliseconds);
    ratios.push(together.milliseconds / alone.milliseconds);
    differences = together.features.map((feature, i) => largestDifference(feature, alone.features[i] as Float32Array));
  }
  return {
    modality,
    batch,
    milliseconds: median(times),
    timeRatio: median(ratios),
    contents: contents.length,
    differing: differences.filter((difference) => difference > 0).length,
    largestDifference: Math.max(...differences),
  };
}

function largestDifference(a: Float32Array, b: Float32Array): number {
  return a.reduce((most, value, i) => Math.max(most, Math.abs(value - (b[i] as number))), 0);
}

function needsFrozen(run: string): ConfigurationError {
  return new ConfigurationError({
    subject: 'bench batching',
    expected: 'a run whose encoders were not trained with it',
    received: run,
    remedy: 'take another run',
  });
}
