import { tokenLayoutOf, type TrainableEncoder } from '@drf/encoders';
import type { EncodedTokens, MethodNeeds, TokenInputs } from '@drf/model';
import {
  ConfigurationError,
  createRandom,
  hostTensor,
  MODALITIES,
  type Engine,
  type Host,
  type HostTensor,
  type HostTree,
  type TensorTree,
} from '@drf/tensor';
import { measureGraphs, type MeasuredGraphs } from '@drf/baselines';
import type { ContentRows } from './content-rows.js';
import type { MeasurableSet } from './feature-moments.js';
import { areFeatures, type FeatureSet, type ModalityRows, type PostSet } from './feature-set.js';
import type { Content } from './planned-record.js';
import type { Session } from './session.js';
import { comparedOptions } from './compared-options.js';
import { methodNeeds } from './method.js';
import type { ExperimentConfig } from './schema.js';

const POSTS_AT_ONCE = 16;

/**
 * Features of a set by encoders as they are before training, computed when asked for: what standardization and graphs
 * are measured on. Modalities that come as features stay as they are.
 * @param use gets the set, which is valid until it returns
 * @param needs whether tokens are asked for, too; they are computed anew each time they are read
 */
export async function withInitialFeatures<Result>(
  { engine, ...encoders }: Pick<Session, 'engine' | 'image' | 'text'>,
  set: PostSet,
  use: (set: MeasurableSet) => Promise<Result>,
  onProgress?: (done: number, total: number) => void,
  needs: MethodNeeds = {},
): Promise<Result> {
  const programs: { dispose(): Promise<void> }[] = [];
  const withTokens = needs.tokens === true;
  const passes = withTokens ? 2 : 1; // features, tokens
  const total = passes * set.ids.length * MODALITIES.filter((modality) => !areFeatures(set[modality].rows)).length;
  let done = 0;
  const onPosts = (posts: number): void => onProgress?.((done += posts), total);
  const encoded = async <C extends Content>(
    own: ModalityRows,
    encoder: TrainableEncoder<C> | { readonly trainable: false },
  ): Promise<FeatureSet['image']> => {
    const { rows, available } = own;
    if (areFeatures(rows)) return { ...own, rows };
    if (!encoder.trainable) throw frozen();
    const program = await prepareEncoding(engine, encoder, withTokens);
    programs.push(program);
    return { available, ...encodedRows(program, encoder, rows, onPosts, withTokens) };
  };
  try {
    const image = await encoded(set.image, encoders.image);
    const text = await encoded(set.text, encoders.text);
    return await use({ ids: set.ids, image, text });
  } finally {
    for (const program of programs) await program.dispose();
  }
}

/**
 * The co-occurrence graphs of the training posts, where the experiment's method reads them; of trained encoders' tokens
 * as they are before training. A run that goes on has them in its checkpoint.
 */
export async function measureExperimentGraphs(
  config: Pick<ExperimentConfig, 'method' | 'seed' | 'compared'>,
  session: Pick<Session, 'engine' | 'image' | 'text'>,
  set: PostSet,
  job?: (label: string) => { update(done: number, total: number): void; stop(): void },
): Promise<MeasuredGraphs | undefined> {
  if (config.method !== 'mgnns') return undefined;
  const progress = job?.('Building co-occurrence graphs');
  const measure = async ({ ids, image, text }: MeasurableSet): Promise<MeasuredGraphs | undefined> => {
    if (image.tokens === undefined || text.tokens === undefined) return undefined; // the method says what is missing
    const source = { posts: ids.length, image: image.tokens.gather, text: text.tokens.gather };
    const random = createRandom(config.seed).fork('graphs');
    return measureGraphs(source, comparedOptions(config), random, progress?.update);
  };
  try {
    return await withInitialFeatures(session, set, measure, undefined, methodNeeds(config));
  } finally {
    progress?.stop();
  }
}

function frozen(): ConfigurationError {
  return new ConfigurationError({
    subject: 'withInitialFeatures',
    expected: 'contents for trained encoders alone',
    received: 'contents for a frozen one',
    remedy: 'pass the session that the set was encoded with',
  });
}

type EncodingStep = Awaited<ReturnType<typeof prepareEncoding>>;

/** Features of a batch, and its tokens where they are asked for. */
type Encoded = Pick<EncodedTokens, 'features'> & Partial<TokenInputs>;

/**
 * The encoder alone, its parameters as a state that no step changes.
 * @param parameters in place of those before training
 */
export function prepareEncoding<C extends Content>(
  engine: Engine,
  encoder: TrainableEncoder<C>,
  withTokens = false,
  parameters: HostTree = encoder.initialParameters,
) {
  return engine.prepareStep<TensorTree, TensorTree, Encoded>((state, inputs) => {
    const outputs = withTokens ? encoder.applyTokens?.(state, inputs) : undefined;
    return { state, outputs: outputs ?? { features: encoder.apply(state, inputs) } };
  }, parameters);
}

/** Rows and tokens that an encoder computes when they are gathered. */
export function encodedRows<C extends Content>(
  program: EncodingStep,
  encoder: TrainableEncoder<C>,
  contents: ContentRows,
  onPosts: (posts: number) => void = () => undefined,
  withTokens = false,
): Pick<FeatureSet['image'], 'rows' | 'tokens'> {
  const { outputDim: dim, tokenDim, tokenCount } = encoder;
  async function* encode(indices: readonly number[]): AsyncGenerator<Host<Encoded>> {
    for (let start = 0; start < indices.length; start += POSTS_AT_ONCE) {
      const part = indices.slice(start, start + POSTS_AT_ONCE);
      const { inputs } = await contents.gather(part);
      yield await program.step(inputs);
      onPosts(part.length);
    }
  }
  const gather = async (indices: readonly number[]): Promise<HostTensor> => {
    const data = new Float32Array(indices.length * dim);
    let start = 0;
    for await (const { features } of encode(indices)) {
      data.set(features.data, start * dim);
      start += features.shape[0] as number;
    }
    return hostTensor(data, [indices.length, dim]);
  };
  const rows = { dim, gather };
  if (!withTokens || encoder.applyTokens === undefined) return { rows };
  const layout = tokenLayoutOf(encoder);
  return {
    rows,
    tokens: {
      layout: { count: tokenCount ?? layout.count, dim: tokenDim ?? layout.dim },
      gather: async (indices) => {
        const parts: Host<TokenInputs>[] = [];
        for await (const { tokens, mask, pieces } of encode(indices)) {
          if (tokens !== undefined && mask !== undefined) parts.push({ tokens, mask, ...(pieces && { pieces }) });
        }
        return padded(parts, indices.length);
      },
    },
  };
}

/** Tokens of parts that may differ in length, each padded to the longest. */
function padded(parts: readonly Host<TokenInputs>[], posts: number): Host<TokenInputs> {
  const length = Math.max(0, ...parts.map(({ mask }) => mask.shape[1] as number));
  const dim = parts[0]?.tokens.shape[2] ?? 0;
  const tokens = new Float32Array(posts * length * dim);
  const mask = new Float32Array(posts * length);
  const pieces = new Int32Array(posts * length);
  let post = 0;
  for (const part of parts) {
    const [count, own] = part.mask.shape as [number, number];
    for (let row = 0; row < count; row++, post++) {
      tokens.set(part.tokens.data.subarray(row * own * dim, (row + 1) * own * dim), post * length * dim);
      mask.set(part.mask.data.subarray(row * own, (row + 1) * own), post * length);
      if (part.pieces !== undefined) pieces.set(part.pieces.data.subarray(row * own, (row + 1) * own), post * length);
    }
  }
  return {
    tokens: hostTensor(tokens, [posts, length, dim]),
    mask: hostTensor(mask, [posts, length]),
    ...(parts.every((part) => part.pieces === undefined) ? {} : { pieces: hostTensor(pieces, [posts, length]) }),
  };
}
