import { createEngine } from '@drf/engine';
import {
  openEncoder,
  openTrainableEncoder,
  type ImageEncoder,
  type TextEncoder,
  type TrainableImageEncoder,
  type TrainableTextEncoder,
} from '@drf/encoders';
import { createRandom, type Engine, type Modality } from '@drf/tensor';
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

/**
 * Starts the engine and opens the encoders of an experiment.
 * @param options threads of the compiled engine (default: all cores), for several sessions side by side
 * @throws ConfigurationError for an unknown engine or encoder; UnavailableError for one that this machine lacks
 */
export async function startSession(
  config: SessionConfig,
  options: { readonly threads?: number } = {},
): Promise<Session> {
  const engine = await createEngine(config.engine, options);
  try {
    const image = await openAs(config, 'image', engine);
    const text = await openAs(config, 'text', engine);
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

/** An encoder as the experiment wants it, trained or frozen. */
async function openAs<M extends Modality>(config: SessionConfig, modality: M, engine: Engine): Promise<Session[M]> {
  const { encoders, seed = 0 } = config;
  if (encoders.trainable[modality]) return (await openTrained({ encoders, seed }, modality)) as Session[M];
  const { [modality]: name, pooling, revision, textLengths } = encoders;
  const isHub = !name.startsWith('embedded');
  const options = { pooling: pooling[modality], revision: revision[modality] };
  return (await openEncoder(name, modality, engine, {
    ...(isHub ? options : {}),
    ...(isHub && !name.startsWith('transformers:') ? { textLengths } : {}),
  })) as Session[M];
}

/** @param seed of what is not pretrained: low-rank updates */
function openTrained({ encoders, seed }: Pick<ExperimentConfig, 'encoders' | 'seed'>, modality: Modality) {
  const { trainableLayers, lora, recompute, pooling, revision, textLengths } = encoders;
  return openTrainableEncoder(encoders[modality], modality, {
    revision: revision[modality],
    pooling: pooling[modality],
    ...(lora.rank > 0 ? { lora } : { trainableLayers: trainableLayers[modality] }),
    recompute,
    textLengths,
    random: createRandom(seed).fork('encoders').fork(modality),
  });
}

/** The encoders of an experiment that are trained, without an engine. */
export async function openTrainedEncoders(
  config: Pick<ExperimentConfig, 'encoders' | 'seed'>,
): Promise<{ image?: TrainableImageEncoder; text?: TrainableTextEncoder }> {
  const { trainable } = config.encoders;
  return {
    ...(trainable.image ? { image: (await openTrained(config, 'image')) as TrainableImageEncoder } : {}),
    ...(trainable.text ? { text: (await openTrained(config, 'text')) as TrainableTextEncoder } : {}),
  };
}
