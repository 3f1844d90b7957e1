import { corruptedModality, parseCorruption, type CorruptionStrategy, type Strategy } from '@drf/disruption';
import type { EncodedBatchInputs, MethodNeeds } from '@drf/model';
import {
  byModality,
  createRandom,
  DataError,
  MODALITIES,
  type ByModality,
  type Host,
  type HostTensor,
  type Modality,
  type Random,
} from '@drf/tensor';
import type { ContentRows } from './content-rows.js';
import { encodeRecords, type EncodedRecords, type EncodeOptions } from './encode-records.js';
import {
  areFeatures,
  gatherBatch,
  type FeatureRows,
  type GatheredBatch,
  type ModalityRows,
  type PostSet,
} from './feature-set.js';
import type { DrawnDisruption } from './planned-record.js';
import { discriminantShare } from './method.js';
import type { ExperimentConfig } from './schema.js';
import { isUpper, type Session } from './session.js';

/** How training posts are disrupted on the way, so that a method learns quality from cases that it knows. */
export interface SimulationOptions {
  /** Of the intact posts, each time they are seen. */
  readonly share: number;
  /** Of those, how many lose the modality; the others have it corrupted. */
  readonly discard: number;
  /** Corrupted versions of each image and text, of each corruption, that encoders choose from whose first layers are frozen. */
  readonly draws: number;
  /** Corruptions, such as `typos@2`, in place of the paper's; a modality that none of them takes keeps the paper's. */
  readonly corruptions?: readonly string[] | undefined;
}

/** How a modality is corrupted: one way a corruption that is asked for, else the paper's. */
function corruptionsOf(modality: Modality, { corruptions = [] }: SimulationOptions): Strategy[] {
  const own = corruptions
    .map((name): CorruptionStrategy => ({ kind: 'corruption', ...parseCorruption(name), ratio: 1 }))
    .filter(({ corruption }) => corruptedModality(corruption) === modality);
  return own.length === 0 ? [{ kind: 'modality-fixed', modality, setting: 'C' }] : own;
}

function discarding(modality: Modality): Strategy {
  return { kind: 'modality-fixed', modality, setting: 'D' };
}

/** Share of the posts that `drf` disrupts unless told otherwise. */
export const SIMULATED_SHARE = 0.5;

/**
 * The simulation that an experiment asks for. By default methods with discriminants simulate, which these need to know
 * what corrupted outputs look like, and `drf` without them where its training posts are intact. Every other method
 * simulates when it is told to.
 */
export function simulationOptions({
  method,
  model,
  training,
}: Pick<ExperimentConfig, 'method' | 'model' | 'training'>): SimulationOptions {
  const isDefault = discriminantShare({ model }) > 0 || (method === 'drf' && training.disruption === 'none');
  const byDefault = isDefault ? SIMULATED_SHARE : 0;
  const { share = byDefault, ...rest } = training.simulation;
  return { share, ...rest };
}

function unreadable(count: number): DataError {
  return new DataError({
    subject: 'Simulated disruption',
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

/** A disrupted version of a modality of all posts. */
interface SimulatedVersion {
  readonly modality: Modality;
  /** How all posts are disrupted for it. */
  readonly strategy: Strategy;
  readonly seed: number;
  /** Whether it stands in for a modality that is discarded. */
  readonly isStandIn: boolean;
}

/**
 * The versions that training chooses from, of modalities whose encoders' first layers are frozen and whose outputs are
 * kept: corrupted ones, and stand-ins where the method asks for them. None of a modality that the method does not read.
 */
export function simulatedVersions(
  session: Pick<Session, Modality>,
  options: SimulationOptions,
  needs: MethodNeeds = {},
): SimulatedVersion[] {
  const { draws, discard, share } = options;
  const reads = share > 0 ? (needs.reads ?? MODALITIES) : [];
  const isFilled = needs.bothModalities === true && discard > 0;
  return reads
    .filter((modality) => keepsOutputs(session[modality]))
    .flatMap((modality) => {
      const corruptions = corruptionsOf(modality, options);
      const count = draws * corruptions.length;
      const versions = Array.from({ length: count }, (_, draw) => ({ ...drawnVersion(corruptions, draw), modality, isStandIn: false })); // prettier-ignore
      const standIn = { modality, strategy: discarding(modality), seed: FIRST_SEED, isStandIn: true };
      return isFilled ? [...versions, standIn] : versions;
    });
}

/** The corruption behind a draw, and its seed: all corruptions by the first seed, then all by the next. */
function drawnVersion(corruptions: readonly Strategy[], draw: number): Pick<SimulatedVersion, 'strategy' | 'seed'> {
  return {
    strategy: corruptions[draw % corruptions.length] as Strategy,
    seed: FIRST_SEED + Math.floor(draw / corruptions.length),
  };
}

function keepsOutputs(encoder: Session[Modality]): boolean {
  return !encoder.trainable || isUpper(encoder);
}

/** A modality of the posts of a set, place by place: features, and tokens where the method reads them. */
type EncodedVersion = Pick<ModalityRows<FeatureRows>, 'rows' | 'tokens'>;

/** Disrupted versions of a modality that a frozen encoder reads; none of one whose encoder is trained, in part or whole. */
export type SimulatedRows = Partial<
  ByModality<{
    /** One a draw. */
    readonly corrupted: readonly EncodedVersion[];
    /** What stands in where the modality is discarded, for methods that cannot miss it. */
    readonly standIn?: EncodedVersion | undefined;
  }>
>;

/**
 * Disrupts the modalities that frozen encoders read of every post and encodes them: the protocol's pixels and words once
 * for each draw, and stand-ins where the method asks for them. Where an encoder's first layers are frozen, what they give is
 * kept, and looked up later. Encoders that are trained from the first layer on read disrupted contents instead.
 * @param encode in place of `encodeRecords`, such as one that shares its results
 * @throws DataError when a post can no longer be read
 */
export async function encodeSimulated(
  options: Omit<EncodeOptions, 'strategy' | 'seed'>,
  simulation: SimulationOptions,
  encode: (options: EncodeOptions) => Promise<EncodedRecords> = encodeRecords,
): Promise<SimulatedRows> {
  const { session, records, needs } = options;
  const rows: Partial<Record<Modality, { corrupted: EncodedVersion[]; standIn?: EncodedVersion }>> = {};
  for (const { modality, strategy, seed, isStandIn } of simulatedVersions(session, simulation, needs)) {
    const { set } = await encode({ ...options, isChecked: true, strategy, seed });
    if (set.ids.length !== records.length) throw unreadable(records.length - set.ids.length);
    const { rows: encoded, tokens } = set[modality];
    if (!areFeatures(encoded)) continue;
    const own = (rows[modality] ??= { corrupted: [] });
    if (isStandIn) own.standIn = { rows: encoded, tokens };
    else own.corrupted.push({ rows: encoded, tokens });
  }
  return rows;
}

/** What is done to one post of a batch. */
interface SimulatedDisruption {
  readonly modality: Modality;
  /** Which draw stands in; none: the modality is missing. */
  readonly draw: number | undefined;
  /** Of the disruption of a content. */
  readonly seed: number;
}

type DisruptedPost = SimulatedDisruption & { readonly row: number; readonly index: number };

/** Simulated disruptions of training posts: of features by their disrupted versions, of contents on the way. */
export class Simulation {
  private readonly corruptions: ByModality<Strategy[]>;

  constructor(
    private readonly options: SimulationOptions,
    private readonly rows: SimulatedRows,
    private readonly seed: number,
    private readonly needs: MethodNeeds = {},
  ) {
    this.corruptions = byModality((modality) => corruptionsOf(modality, options));
  }

  /**
   * A batch, with some of its intact posts disrupted: by (seed, epoch, post) only, one modality a post.
   * @param set the posts that {@link encodeSimulated} disrupted, in the same places
   */
  async gather(set: PostSet, indices: readonly number[], epoch: number): Promise<GatheredBatch> {
    const random = createRandom(this.seed).fork('simulation').fork(epoch);
    const disrupted = indices.flatMap((index, row): DisruptedPost[] => {
      if (MODALITIES.some((modality) => set[modality].intact?.[index] !== 1)) return [];
      const drawn = this.draw(random.fork(set.ids[index] as string));
      return drawn === undefined ? [] : [{ ...drawn, row, index }];
    });
    const contentsOf = (modality: Modality): ReadonlyMap<number, DrawnDisruption> =>
      new Map(
        disrupted
          .filter((post) => post.modality === modality)
          .map(({ row, draw, seed }) => {
            if (draw === undefined) return [row, { strategy: discarding(modality), seed }];
            const version = drawnVersion(this.corruptions[modality], draw);
            return [row, isFromDraws(set[modality].rows) ? version : { ...version, seed }];
          }),
      );
    const contents = byModality(contentsOf);
    const { batch, labels } = await gatherBatch(set, indices, contents);
    for (const post of disrupted) await this.disrupt(batch, post);
    return { batch, labels };
  }

  /**
   * A modality of all posts of a set, corrupted, once for each draw that training chooses from; an encoder that is trained
   * from its first layer on, which gets others in training, reads the first of these.
   * @param set as of {@link gather}
   */
  versions(set: PostSet, modality: Modality): ModalityRows[] {
    const own = set[modality];
    const { rows } = own;
    if (areFeatures(rows)) return (this.rows[modality]?.corrupted ?? []).map((version) => ({ ...own, ...version }));
    const corruptions = this.corruptions[modality];
    return Array.from({ length: this.options.draws * corruptions.length }, (_, draw) => {
      const drawn = drawnVersion(corruptions, draw);
      const gather: ContentRows['gather'] = (indices) =>
        rows.gather(indices, new Map(indices.map((_, place) => [place, drawn])));
      return { ...own, rows: { ...rows, gather } };
    });
  }

  private draw(random: Random): SimulatedDisruption | undefined {
    const { share, discard, draws } = this.options;
    if (!(random.uniform() < share)) return undefined;
    const modality: Modality = random.integer(2) === 0 ? 'image' : 'text';
    const isDiscarded = random.uniform() < discard;
    const draw = isDiscarded ? undefined : random.integer(draws * this.corruptions[modality].length);
    return { modality, draw, seed: random.fork('content').uint32() };
  }

  /** Flags of a disrupted post, and its rows where they are features. */
  private async disrupt(batch: Host<EncodedBatchInputs>, { modality, draw, row, index }: DisruptedPost): Promise<void> {
    const inputs = batch[modality];
    if (inputs.intact !== undefined) write(inputs.intact, row, [0]);
    const isMissing = draw === undefined && this.needs.bothModalities !== true;
    if (isMissing) write(inputs.available, row, [0]);
    if (!('features' in inputs)) return; // its content is disrupted already
    const { features, tokens } = inputs;
    const { corrupted, standIn } = this.rows[modality] ?? { corrupted: [] };
    const version = draw === undefined ? standIn : corrupted[draw];
    if (version === undefined) {
      write(features, row, new Float32Array(features.data.length / (features.shape[0] as number)));
      return;
    }
    write(features, row, (await version.rows.gather([index])).data);
    if (tokens === undefined || version.tokens === undefined) return;
    const own = await version.tokens.gather([index]);
    write(tokens.tokens, row, own.tokens.data);
    write(tokens.mask, row, own.mask.data);
    if (tokens.pieces !== undefined && own.pieces !== undefined) write(tokens.pieces, row, own.pieces.data);
  }
}

function isFromDraws(rows: ModalityRows['rows']): boolean {
  return !areFeatures(rows) && rows.fromDraws === true;
}

/** Writes one row of a batch that was just gathered. */
function write({ data }: HostTensor, row: number, values: ArrayLike<number>): void {
  data.set(values, row * values.length);
}
