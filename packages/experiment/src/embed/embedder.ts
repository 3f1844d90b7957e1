import { basename } from 'node:path';
import type { FrozenEncoder, ImageEncoder, TextEncoder, TrainableEncoder } from '@drf/encoders';
import { fileHash } from '@drf/files';
import type { BatchInputs, MethodParameters } from '@drf/model';
import {
  ConfigurationError,
  hostTensor,
  mergeTrees,
  refuser,
  type Engine,
  type Features,
  type Host,
  type HostTensor,
  type HostTree,
  type Modality,
  type RgbImage,
  type TensorTree,
} from '@drf/tensor';
import { trainedEncoders } from '../method.js';
import { headOf, openRun, type OpenedRun } from '../open-run.js';
import { RunFolder } from '../run-folder.js';
import { isAnyTrained, startSession, type Session, type SessionConfig } from '../session.js';

/** Features of one post by name, each of its own width; null for a modality that the post lacks. */
export type PostFeatures = Readonly<Partial<Record<FeatureName, Float32Array | null>>>;

/** What a post can have: a feature for its image, one for its text, and what a head makes of both. */
export type FeatureName = Modality | 'fused';

/**
 * What of a run is wanted: the encoders' own outputs, or what DRF's head makes of them: both features projected into its
 * common space (fᵛ, fᵗ), and the fused representation M of Eq. 12, from which it classifies.
 */
export type EmbeddedPart = 'encoder' | 'head';

/** Turns contents into features; see {@link openEmbedder}. */
export interface Embedder {
  readonly image: FrozenEncoder<RgbImage>;
  readonly text: FrozenEncoder<string>;
  /** Names of the features, and the width of each. */
  readonly widths: Readonly<Partial<Record<FeatureName, number>>>;
  /** Side in pixels at which images are decoded. */
  readonly imageSize: number;
  /** Name of the engine that computes. */
  readonly engine: string;
  /** What the features come from, for whoever finds them: ids of encoders, the run with its checkpoint. */
  readonly origin: Readonly<Record<string, string>>;
  /** Encoder outputs of posts → their features; the outputs themselves, unless a head is asked for. */
  finish(encoded: readonly Readonly<Record<Modality, Float32Array | null>>[]): Promise<PostFeatures[]>;
  /** Frees what it holds; it cannot be used afterwards. */
  dispose(): Promise<void>;
}

/** Encoders of an experiment as they were published, trained further or not. */
interface ExperimentEncoders {
  readonly config: SessionConfig;
  readonly imageSize: number;
}

/** A run's own encoders, those that it trained included. */
interface RunEncoders {
  readonly run: string;
  /** Default: the run's result. */
  readonly checkpoint?: string;
  /** As `createEngine`; default `auto`. */
  readonly engine?: string;
  /** Whether the hub may be asked for what the cache lacks; default false. */
  readonly allowDownload?: boolean;
  readonly part?: EmbeddedPart;
}

/**
 * Opens the encoders of an experiment or of a run, to compute features with.
 *
 * ```ts
 * const embedder = await openEmbedder({ run: 'runs/quickstart' });
 * for await (const post of embedPosts(embedder, 'posts.csv')) console.log(post.id, post.features?.text);
 * ```
 * @throws as `startSession` and `openRun`; ConfigurationError when the head of a method is asked for that has no
 *   features in a common space
 */
export async function openEmbedder(source: ExperimentEncoders | RunEncoders): Promise<Embedder> {
  return 'run' in source ? openRunEmbedder(source) : openExperimentEmbedder(source);
}

async function openExperimentEmbedder({ config, imageSize }: ExperimentEncoders): Promise<Embedder> {
  const { encoders } = config;
  const published = { ...encoders, trainable: { image: false, text: false } };
  const { engine, image, text, dispose } = await startSession({ ...config, encoders: published });
  return embedderOf({ image: image as ImageEncoder, text: text as TextEncoder }, engine, imageSize, dispose);
}

async function openRunEmbedder(source: RunEncoders): Promise<Embedder> {
  const { run: path, checkpoint, engine: name = 'auto', allowDownload = false, part = 'encoder' } = source;
  const { config, encoders: ids } = await (await RunFolder.open(path)).readDescription();
  const session = await startSession({ ...config, engine: name }, { recorded: { ids, allowDownload } });
  const opened: { dispose(): Promise<void> }[] = [];
  const dispose = async (): Promise<void> => {
    for (const each of opened) await each.dispose();
    await session.dispose();
  };
  try {
    const run =
      isAnyTrained(session) || part === 'head'
        ? await openRun(path, checkpoint, async () => trainedEncoders(session))
        : undefined;
    const weights = run === undefined ? '' : await fileHash(run.checkpoint);
    const frozen = async <C extends RgbImage | string>(
      encoder: FrozenEncoder<C> | TrainableEncoder<C>,
    ): Promise<FrozenEncoder<C>> => {
      if (!encoder.trainable || run === undefined) return encoder as FrozenEncoder<C>;
      const trained = await trainedEncoder(session.engine, encoder, encoderParameters(run, encoder.modality), weights);
      opened.push(trained);
      return trained;
    };
    const encoders = { image: await frozen(session.image), text: await frozen(session.text) };
    const named: Record<string, string> = run === undefined ? {} : { run: basename(path), checkpoint: weights };
    const embedder = embedderOf(encoders, session.engine, config.dataset.imageSize, dispose, named);
    if (part === 'encoder' || run === undefined) return embedder;
    const head = await openHead(run, session, embedder);
    opened.push(head);
    return { ...embedder, ...head, dispose };
  } catch (error) {
    await dispose();
    throw error;
  }
}

function embedderOf(
  { image, text }: { readonly image: FrozenEncoder<RgbImage>; readonly text: FrozenEncoder<string> },
  engine: Pick<Engine, 'name'>,
  imageSize: number,
  dispose: () => Promise<void>,
  origin: Embedder['origin'] = {},
): Embedder {
  return {
    image,
    text,
    widths: { image: image.outputDim, text: text.outputDim },
    imageSize,
    engine: engine.name,
    origin: { image_encoder: image.id, text_encoder: text.id, ...origin },
    finish: async (encoded) => [...encoded],
    dispose,
  };
}

function encoderParameters({ parameters }: OpenedRun, modality: Modality): HostTree {
  const part = (tree: HostTree = {}): HostTree => ((tree['encoders'] as HostTree)?.[modality] ?? {}) as HostTree;
  return mergeTrees<HostTensor>(part(parameters.trained), part(parameters.fixed));
}

type Encoded = { readonly features: Features };

/**
 * An encoder that a run trained, frozen as the run left it.
 * @param weights a hash of the checkpoint: features of other weights are of another encoder
 */
async function trainedEncoder<C>(
  engine: Engine,
  encoder: TrainableEncoder<C>,
  parameters: HostTree,
  weights: string,
): Promise<FrozenEncoder<C>> {
  const { modality, outputDim } = encoder;
  const program = await engine.prepare<TensorTree, TensorTree, Encoded>(
    (constants, inputs) => ({ features: encoder.apply(constants, inputs) }),
    parameters,
  );
  return {
    id: `${encoder.id}, trained to ${weights}`,
    modality,
    outputDim,
    trainable: false,
    preferredBatch: encoder.preferredBatch ?? 16,
    preprocess: (contents) => encoder.preprocess(contents),
    encode: async (contents) => {
      if (contents.length === 0) return hostTensor(new Float32Array(0), [0, outputDim]);
      return (await program.run(await encoder.preprocess(contents))).features;
    },
    dispose: () => program.dispose(),
  };
}

type HeadInputs = { readonly batch: BatchInputs };
type HeadConstants = { readonly parameters: MethodParameters; readonly memory: TensorTree };
type HeadOutputs = { readonly image: Features; readonly text: Features; readonly fused: Features };

/** A run's head, which makes features of a common space out of encoder outputs. */
async function openHead(
  run: OpenedRun,
  session: Session,
  { image: imageEncoder, text: textEncoder }: Embedder,
): Promise<Pick<Embedder, 'finish' | 'widths' | 'dispose'>> {
  const { method, parameters, memory } = headOf(run);
  const { dim } = run.description.config.model;
  const refuse = refuser(ConfigurationError, `Run ${run.folder.path}, its head,`);
  if (method.needs?.tokens === true) throw withoutSpace(refuse, method.id);
  const program = await session.engine.prepare<HeadConstants, HeadInputs, HeadOutputs>(
    (constants, { batch }) => {
      const { details } = method.predict(constants.parameters, batch, constants.memory);
      const { image, text } = (details['features'] ?? {}) as Partial<HeadOutputs>;
      const { fused } = details as Partial<HeadOutputs>;
      if (image === undefined || text === undefined || fused === undefined) throw withoutSpace(refuse, method.id);
      return { image, text, fused };
    },
    { parameters, memory },
  );
  const finish: Embedder['finish'] = async (encoded) => {
    if (encoded.length === 0) return [];
    const inputs = (modality: Modality, width: number): Host<BatchInputs>[Modality] => {
      const features = new Float32Array(encoded.length * width);
      encoded.forEach((post, row) => features.set(post[modality] ?? [], row * width));
      const available = encoded.map((post) => (post[modality] === null ? 0 : 1));
      return {
        features: hostTensor(features, [encoded.length, width]),
        available: hostTensor(available, [encoded.length]),
      };
    };
    const batch = { image: inputs('image', imageEncoder.outputDim), text: inputs('text', textEncoder.outputDim) };
    const outputs = await program.run({ batch });
    const row = (name: FeatureName, i: number): Float32Array =>
      (outputs[name].data as Float32Array).slice(i * dim, (i + 1) * dim);
    return encoded.map((post, i) => ({
      image: post.image === null ? null : row('image', i),
      text: post.text === null ? null : row('text', i),
      fused: row('fused', i),
    }));
  };
  return { finish, widths: { image: dim, text: dim, fused: dim }, dispose: () => program.dispose() };
}

function withoutSpace(refuse: ReturnType<typeof refuser>, method: string): Error {
  const remedy = 'ask for the encoders’ outputs, or for the head of drf, drf-adapted or drf-paper';
  return refuse('a method with features in a common space', method, remedy);
}
