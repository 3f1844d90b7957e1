import { createEngine } from '@drf/engine';
import {
  isOwnName,
  isParted,
  openEncoder,
  openTrainableEncoder,
  upperEncoder,
  type ImageEncoder,
  type PartedEncoder,
  type TextEncoder,
  type TrainableEncoder,
  type TrainableImageEncoder,
  type TrainableTextEncoder,
  type UpperEncoder,
} from '@drf/encoders';
import { ConfigurationError, createRandom, MODALITIES, type Engine, type Modality, type RgbImage } from '@drf/tensor';
import { standIn, type Content } from './planned-record.js';
import type { ExperimentConfig } from './schema.js';

/** What an experiment runs on: an engine and the two encoders. Trained ones run in the step, frozen ones before it. */
export interface Session {
  readonly engine: Engine;
  readonly image: ImageEncoder | TrainableImageEncoder;
  readonly text: TextEncoder | TrainableTextEncoder;
  /** Frees what it holds; it cannot be used afterwards. */
  dispose(): Promise<void>;
}

/** A session of which no encoder is trained. */
export interface FrozenSession extends Session {
  readonly image: ImageEncoder;
  readonly text: TextEncoder;
}

/** The parts of an experiment that a session depends on. */
export type SessionConfig = Pick<ExperimentConfig, 'engine' | 'encoders'> & Partial<Pick<ExperimentConfig, 'seed'>>;

/** Where encoders come from that somebody else may have named: the configuration of a run that is opened, not made. */
export interface RecordedEncoders {
  /** Their ids, as the run recorded them: a folder with other files is not read. */
  readonly ids: Readonly<Record<Modality, string>>;
  /** Whether the hub may be asked for what the cache lacks; default false. */
  readonly allowDownload?: boolean;
}

/** For several sessions side by side, and for those of runs. */
export interface SessionOptions {
  /** Threads of the compiled engine; default: all cores. */
  readonly threads?: number;
  /** Given for the encoders of a run. Without it, whatever the configuration names is opened, and fetched if need be. */
  readonly recorded?: RecordedEncoders;
}

/** How an encoder may be had. */
function sourceOptions(recorded: RecordedEncoders | undefined, modality: Modality) {
  if (recorded === undefined) return {};
  return { localFilesOnly: recorded.allowDownload !== true, expectedId: recorded.ids[modality] };
}

/**
 * Starts the engine and opens the encoders of an experiment.
 * @throws ConfigurationError for an unknown engine or encoder, and for a folder of a run that holds other files;
 *   UnavailableError for one that this machine lacks
 */
export async function startSession(config: SessionConfig, options: SessionOptions = {}): Promise<Session> {
  const { recorded, ...engineOptions } = options;
  const engine = await createEngine(config.engine, engineOptions);
  try {
    const image = await openAs(config, 'image', engine, recorded);
    const text = await openAs(config, 'text', engine, recorded);
    const dispose = async (): Promise<void> => {
      await image.dispose();
      await text.dispose();
      await engine.dispose();
    };
    return { engine, image, text, dispose };
  } catch (error) {
    await engine.dispose();
    throw error;
  }
}

/** What {@link withCachedStates} keeps where. */
export interface StateOptions {
  /** Folder of the feature cache; left out: in memory. */
  readonly cache?: string | undefined;
  /** Default: float16. */
  readonly storage?: 'float16' | 'float32';
}

/**
 * A session for training: encoders whose first layers are frozen begin where they are trained, and what the frozen layers
 * give is kept in the feature cache. The others stay as they are, as do all where the experiment says so. Disposing it ends
 * the given session, too.
 */
export function withCachedStates(
  session: Session,
  { encoders: { cacheStates = true } }: SessionConfig,
  { cache, storage }: StateOptions,
): Session {
  const { engine } = session;
  const upper = <C extends Content>(encoder: Session[Modality], modality: Modality): UpperEncoder<C> | undefined =>
    cacheStates && isParted(encoder as TrainableEncoder<C>)
      ? upperEncoder(encoder as PartedEncoder<C>, {
          root: cache,
          engine,
          example: standIn(modality, session.text.maskToken) as C,
          ...(storage === undefined ? {} : { storage }),
        })
      : undefined;
  const image = upper<RgbImage>(session.image, 'image');
  const text = upper<string>(session.text, 'text');
  const dispose = async (): Promise<void> => {
    await image?.dispose();
    await text?.dispose();
    await session.dispose();
  };
  return {
    engine,
    image: image ?? session.image,
    text: text === undefined ? session.text : { ...text, maskToken: session.text.maskToken },
    dispose,
  };
}

/** Whether an encoder is trained, in part or whole. */
export function isAnyTrained(session: Pick<Session, Modality>): boolean {
  return MODALITIES.some((modality) => session[modality].trainable);
}

/** Whether an encoder begins at its first trained layer. */
export function isUpper<C extends Content>(
  encoder: Pick<TrainableEncoder<C>, 'id'> | UpperEncoder<C>,
): encoder is UpperEncoder<C> {
  return 'states' in encoder;
}

/** Frees frozen layers whose outputs are all kept by now. */
export async function releaseFrozenLayers({ image, text }: Pick<Session, Modality>): Promise<void> {
  if (isUpper(image)) await image.states.release();
  if (isUpper(text)) await text.states.release();
}

/** An encoder as the experiment wants it, trained or frozen. */
async function openAs<M extends Modality>(
  config: SessionConfig,
  modality: M,
  engine: Engine,
  recorded: RecordedEncoders | undefined,
): Promise<Session[M]> {
  const { encoders, seed = 0 } = config;
  if (encoders.trainable[modality]) return (await openTrained({ encoders, seed }, modality, recorded)) as Session[M];
  const { [modality]: name, pooling, precision, revision, textLengths, imageSize } = encoders;
  if (isOwnName(name))
    return (await openEncoder(name, modality, engine, { own: encoders.options[modality] })) as Session[M];
  const isHub = !name.startsWith('embedded');
  const options = { pooling: pooling[modality], precision: precision[modality], revision: revision[modality] };
  return (await openEncoder(name, modality, engine, {
    ...sourceOptions(recorded, modality),
    ...(isHub ? options : {}),
    ...(isHub && !name.startsWith('transformers:') ? { textLengths, ...imageSizeOf(modality, imageSize) } : {}),
  })) as Session[M];
}

/** The option is for encoders of images alone. */
function imageSizeOf(modality: Modality, imageSize: number | undefined): { readonly imageSize?: number } {
  return modality === 'image' && imageSize !== undefined ? { imageSize } : {};
}

/** @param seed of what is not pretrained: low-rank updates */
function openTrained(
  { encoders, seed }: Pick<ExperimentConfig, 'encoders' | 'seed'>,
  modality: Modality,
  recorded: RecordedEncoders | undefined,
) {
  const { trainableLayers, lora, recompute, dropout, pooling, revision, textLengths, imageSize } = encoders;
  return openTrainableEncoder(encoders[modality], modality, {
    ...sourceOptions(recorded, modality),
    revision: revision[modality],
    pooling: pooling[modality],
    ...(lora.rank > 0 ? { lora } : { trainableLayers: trainableLayers[modality] }),
    recompute,
    dropout: dropout[modality],
    textLengths,
    ...imageSizeOf(modality, imageSize),
    own: encoders.options[modality],
    random: createRandom(seed).fork('encoders').fork(modality),
  });
}

/** The encoders of an experiment that are trained, without an engine. @param recorded given for those of a run */
export async function openTrainedEncoders(
  config: Pick<ExperimentConfig, 'encoders' | 'seed'>,
  recorded?: RecordedEncoders,
): Promise<{ image?: TrainableImageEncoder; text?: TrainableTextEncoder }> {
  const { trainable } = config.encoders;
  return {
    ...(trainable.image ? { image: (await openTrained(config, 'image', recorded)) as TrainableImageEncoder } : {}),
    ...(trainable.text ? { text: (await openTrained(config, 'text', recorded)) as TrainableTextEncoder } : {}),
  };
}

/**
 * Features of other encoders mean nothing to a model, even where their widths fit.
 * @param run its path, for the message
 * @param expected ids of the encoders that it was trained with
 * @throws ConfigurationError naming the modality and both ids
 */
export function assertEncoders(
  run: string,
  expected: RecordedEncoders['ids'],
  session: Pick<Session, 'image' | 'text'>,
): void {
  for (const modality of MODALITIES) {
    const received = session[modality].id;
    if (expected[modality] === received) continue;
    throw new ConfigurationError({
      subject: `Run ${run}, ${modality} encoder`,
      expected: `"${expected[modality]}", with which it was trained`,
      received: `"${received}"`,
      remedy: 'install the version that it was trained with, or train again',
    });
  }
}
