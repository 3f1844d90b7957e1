import { tokenLayoutOf, type TrainableEncoder } from '@drf/encoders';
import type { MethodNeeds, TokenInputs } from '@drf/model';
import {
  hostTensor,
  MODALITIES,
  type Engine,
  type Host,
  type HostTensor,
  type HostTree,
  type Modality,
  type TensorTree,
} from '@drf/tensor';
import type { ContentRows } from './content-rows.js';
import type { MeasurableSet } from './feature-moments.js';
import { areFeatures, type FeatureRows, type PostSet } from './feature-set.js';
import type { Session } from './session.js';
import type { TokenRows } from './feature-set.js';

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
  use: (set: MeasurableSet & Pick<PostSet, 'ids' | 'imageTokens' | 'textTokens'>) => Promise<Result>,
  onProgress?: (done: number, total: number) => void,
  needs: MethodNeeds = {},
): Promise<Result> {
  const made: InitialEncoder[] = [];
  let done = 0;
  const passes = needs.tokens === true ? 2 : 1; // features, tokens
  const total = passes * set.ids.length * MODALITIES.filter((modality) => !areFeatures(set[modality])).length;
  type Encoded = { readonly features: FeatureRows; readonly tokens?: TokenRows | undefined };
  const encoded = async (modality: Modality): Promise<Encoded> => {
    const rows = set[modality];
    if (areFeatures(rows)) return { features: rows, tokens: set[`${modality}Tokens`] };
    const encoder = encoders[modality] as unknown as TrainableEncoder<never>;
    const onPosts = (posts: number): void => onProgress?.((done += posts), total);
    const initial = await InitialEncoder.create(engine, encoder, rows, onPosts, needs.tokens === true);
    made.push(initial);
    return initial;
  };
  try {
    const { ids, imageAvailable, textAvailable } = set;
    const [image, text] = [await encoded('image'), await encoded('text')];
    return await use({
      ids,
      image: image.features,
      text: text.features,
      imageAvailable,
      textAvailable,
      ...(image.tokens === undefined ? {} : { imageTokens: image.tokens }),
      ...(text.tokens === undefined ? {} : { textTokens: text.tokens }),
    });
  } finally {
    for (const initial of made) await initial.dispose();
  }
}

type EncodingStep = Awaited<ReturnType<typeof prepareEncoding>>;

/** The encoder alone, its parameters as a state that no step changes. */
function prepareEncoding(engine: Engine, encoder: TrainableEncoder<never>, withTokens: boolean) {
  return engine.prepareStep<TensorTree, TensorTree, TensorTree>((state, inputs) => {
    const outputs = withTokens ? encoder.applyTokens?.(state, inputs) : undefined;
    return { state, outputs: { ...(outputs ?? { features: encoder.apply(state, inputs) }) } };
  }, encoder.initialParameters);
}

class InitialEncoder {
  readonly features: FeatureRows;
  readonly tokens: TokenRows | undefined;

  private constructor(
    encoder: TrainableEncoder<never>,
    private readonly program: EncodingStep,
    private readonly rows: ContentRows,
    private readonly onPosts: (posts: number) => void,
    withTokens: boolean,
  ) {
    const { outputDim: dim, tokenDim, tokenCount } = encoder;
    this.features = { dim, gather: (indices) => this.gatherFeatures(indices, dim) };
    const layout = tokenLayoutOf(encoder);
    const own = { count: tokenCount ?? layout.count, dim: tokenDim ?? layout.dim };
    if (withTokens && encoder.applyTokens !== undefined) {
      this.tokens = { layout: own, gather: (indices) => this.gatherTokens(indices) };
    }
  }

  static async create(
    engine: Engine,
    encoder: TrainableEncoder<never>,
    rows: ContentRows,
    onPosts: (posts: number) => void,
    withTokens: boolean,
  ): Promise<InitialEncoder> {
    const program = await prepareEncoding(engine, encoder, withTokens);
    return new InitialEncoder(encoder, program, rows, onPosts, withTokens);
  }

  private async gatherFeatures(indices: readonly number[], dim: number): Promise<HostTensor> {
    const data = new Float32Array(indices.length * dim);
    let start = 0;
    for await (const { features } of this.encode(indices)) {
      data.set(features.data, start * dim);
      start += features.shape[0] as number;
    }
    return hostTensor(data, [indices.length, dim]);
  }

  /** Parts may differ in length: each is padded to the longest. */
  private async gatherTokens(indices: readonly number[]): Promise<Host<TokenInputs>> {
    const parts: Host<TokenInputs>[] = [];
    for await (const part of this.encode(indices)) parts.push(part as unknown as Host<TokenInputs>);
    const length = Math.max(0, ...parts.map(({ mask }) => mask.shape[1] as number));
    const dim = parts[0]?.tokens.shape[2] ?? 0;
    const tokens = new Float32Array(indices.length * length * dim);
    const mask = new Float32Array(indices.length * length);
    const pieces = new Int32Array(indices.length * length);
    let post = 0;
    for (const part of parts) {
      const [posts, own] = part.mask.shape as [number, number];
      for (let row = 0; row < posts; row++, post++) {
        tokens.set((part.tokens.data as Float32Array).subarray(row * own * dim, (row + 1) * own * dim), post * length * dim); // prettier-ignore
        mask.set((part.mask.data as Float32Array).subarray(row * own, (row + 1) * own), post * length);
        if (part.pieces !== undefined) pieces.set(part.pieces.data.subarray(row * own, (row + 1) * own), post * length);
      }
    }
    return {
      tokens: hostTensor(tokens, [indices.length, length, dim]),
      mask: hostTensor(mask, [indices.length, length]),
      ...(parts.every((part) => part.pieces === undefined)
        ? {}
        : { pieces: hostTensor(pieces, [indices.length, length]) }),
    };
  }

  private async *encode(indices: readonly number[]): AsyncGenerator<{ readonly features: HostTensor }> {
    for (let start = 0; start < indices.length; start += POSTS_AT_ONCE) {
      const part = indices.slice(start, start + POSTS_AT_ONCE);
      const { inputs } = await this.rows.gather(part);
      const outputs = (await this.program.step(inputs)) as unknown as HostTree;
      yield outputs as { readonly features: HostTensor };
      this.onPosts(part.length);
    }
  }

  dispose(): Promise<void> {
    return this.program.dispose();
  }
}
