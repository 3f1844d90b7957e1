import type { BatchInputs } from '@drf/model';
import { ConfigurationError, createRandom, DataError, MODALITIES, type Host, type Modality } from '@drf/tensor';
import { encodeRecords, type EncodedRecords, type EncodeOptions } from './encode-records.js';
import {
  areFeatures,
  gatherBatch,
  type FeatureRows,
  type FeatureSet,
  type GatheredBatch,
  type PostSet,
} from './feature-set.js';
import { methodNeeds, trainsEncoders } from './method.js';
import type { ExperimentConfig } from './schema.js';

/** How training posts are disrupted on the way, so that a method learns quality from cases that it knows. */
export interface SimulationOptions {
  /** Of the intact posts, each time they are seen. */
  readonly share: number;
  /** Of those, how many lose the modality; the others have it corrupted. */
  readonly discard: number;
  /** Corrupted versions of each image and text to choose from. */
  readonly draws: number;
}

/**
 * The simulation that an experiment asks for. By default `drf` with frozen encoders simulates where its training posts are intact; where
 * training is disrupted already, those disruptions teach it the same.
 * @throws ConfigurationError for methods that need more than features, and for trained encoders
 */
export function simulationOptions(
  config: Pick<ExperimentConfig, 'method' | 'training' | 'encoders'>,
): SimulationOptions {
  const { method, training } = config;
  const isTrained = trainsEncoders(config);
  const byDefault = method === 'drf' && training.disruption === 'none' && !isTrained ? 0.5 : 0;
  const { share = byDefault, ...rest } = training.simulation;
  const { tokens, bothModalities } = methodNeeds(config);
  if (share > 0 && (isTrained || tokens === true || bothModalities === true)) {
    throw new ConfigurationError({
      subject: 'training.simulation.share',
      expected: `0 where encoders are trained, and for methods that read tokens or take no missing modality`,
      received: `${share} for method ${method}`,
      remedy: 'leave it out, or disrupt training by training.disruption',
    });
  }
  return { share, ...rest };
}

function unreadable(count: number): DataError {
  return new DataError({
    subject: 'Simulated corruption',
    expected: 'posts that could be read before',
    received: `${count} that no longer can`,
    remedy: 'leave the data set alone while training on it',
  });
}

/**
 * Seed of the first draw. The draws are the same for every run, so that one cache serves all; the run's seed decides
 * which post is disrupted when, and how. Far from the small seeds of runs, whose disruptions these are not.
 */
const FIRST_SEED = 1_000_000;

/** Corrupted features of the posts of a set, place by place: one [posts, dim] a draw. */
export type CorruptedRows = Readonly<Record<Modality, readonly FeatureRows[]>>;

/**
 * Corrupts both modalities of every post (the protocol's pixels and words) and encodes them, once for each draw.
 * @param encode in place of `encodeRecords`, such as one that shares its results
 * @throws DataError when a post can no longer be read
 */
export async function encodeCorrupted(
  options: Omit<EncodeOptions, 'strategy' | 'seed'>,
  draws: number,
  encode: (options: EncodeOptions) => Promise<EncodedRecords<PostSet>> = encodeRecords,
): Promise<CorruptedRows> {
  const rows: Record<Modality, FeatureRows[]> = { image: [], text: [] };
  for (let draw = 0; draw < draws; draw++) {
    for (const modality of MODALITIES) {
      const strategy = { kind: 'modality-fixed', modality, setting: 'C' } as const;
      const { set } = await encode({ ...options, strategy, seed: FIRST_SEED + draw });
      if (set.ids.length !== options.records.length) throw unreadable(options.records.length - set.ids.length);
      const corrupted = set[modality];
      if (areFeatures(corrupted)) rows[modality].push(corrupted); // trained encoders are refused before
    }
  }
  return rows;
}

/** What is done to one post of a batch. */
interface SimulatedDisruption {
  readonly modality: Modality;
  /** Which draw stands in; none: the modality is missing. */
  readonly draw: number | undefined;
}

/** Simulated disruptions of training posts. */
export class Simulation {
  constructor(
    private readonly options: SimulationOptions,
    private readonly corrupted: CorruptedRows,
    private readonly seed: number,
  ) {}

  /**
   * A batch, with some of its intact posts disrupted: by (seed, epoch, post) only, one modality a post.
   * @param set the posts that {@link encodeCorrupted} corrupted, in the same places
   */
  async gather(set: FeatureSet, indices: readonly number[], epoch: number): Promise<GatheredBatch<BatchInputs>> {
    const { batch, labels } = await gatherBatch(set, indices);
    const random = createRandom(this.seed).fork('simulation').fork(epoch);
    for (const [row, index] of indices.entries()) {
      if (MODALITIES.some((modality) => flagsOf(batch, modality, 'Intact').data[row] !== 1)) continue;
      const disruption = this.draw(random.fork(set.ids[index] as string));
      if (disruption !== undefined) await this.disrupt(batch, row, index, disruption);
    }
    return { batch, labels };
  }

  private draw(random: ReturnType<typeof createRandom>): SimulatedDisruption | undefined {
    const { share, discard, draws } = this.options;
    if (!(random.uniform() < share)) return undefined;
    const modality: Modality = random.integer(2) === 0 ? 'image' : 'text';
    const isDiscarded = random.uniform() < discard;
    return { modality, draw: isDiscarded ? undefined : random.integer(draws) };
  }

  private async disrupt(
    batch: Host<BatchInputs>,
    row: number,
    index: number,
    { modality, draw }: SimulatedDisruption,
  ): Promise<void> {
    const { dim } = this.corrupted[modality][0] as FeatureRows;
    const features = batch[modality].data as Float32Array;
    flagsOf(batch, modality, 'Intact').data[row] = 0;
    if (draw === undefined) {
      flagsOf(batch, modality, 'Available').data[row] = 0;
      features.fill(0, row * dim, (row + 1) * dim);
      return;
    }
    const { data } = await (this.corrupted[modality][draw] as FeatureRows).gather([index]);
    features.set(data as Float32Array, row * dim);
  }
}

function flagsOf(batch: Host<BatchInputs>, modality: Modality, name: 'Available' | 'Intact'): { data: Float32Array } {
  return batch[`${modality}${name}`] as unknown as { data: Float32Array };
}
