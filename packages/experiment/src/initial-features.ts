import { MODALITIES, type HostTensor, type HostTree, type Modality, type TensorTree } from '@drf/tensor';
import type { TrainableEncoder } from '@drf/encoders';
import { hostTensor, type Engine } from '@drf/tensor';
import type { ContentRows } from './content-rows.js';
import type { MeasurableSet } from './feature-moments.js';
import { areFeatures, type FeatureRows, type PostSet } from './feature-set.js';
import type { Session } from './session.js';

const POSTS_AT_ONCE = 16;

/**
 * Features of a set by encoders as they are before training, computed when asked for: what standardization is measured
 * on. Modalities that come as features stay as they are.
 * @param use gets the set, which is valid until it returns
 */
export async function withInitialFeatures<Result>(
  { engine, ...encoders }: Pick<Session, 'engine' | 'image' | 'text'>,
  set: PostSet,
  use: (set: MeasurableSet) => Promise<Result>,
  onProgress?: (done: number, total: number) => void,
): Promise<Result> {
  const made: InitialFeatures[] = [];
  let done = 0;
  const total = set.ids.length * MODALITIES.filter((modality) => !areFeatures(set[modality])).length;
  const featuresOf = async (modality: Modality): Promise<FeatureRows> => {
    const rows = set[modality];
    if (areFeatures(rows)) return rows;
    const encoder = encoders[modality] as unknown as TrainableEncoder<never>;
    const features = await InitialFeatures.create(engine, encoder, rows, (posts) => {
      onProgress?.((done += posts), total);
    });
    made.push(features);
    return features;
  };
  try {
    const { imageAvailable, textAvailable } = set;
    const features = { image: await featuresOf('image'), text: await featuresOf('text') };
    return await use({ ...features, imageAvailable, textAvailable });
  } finally {
    for (const features of made) await features.dispose();
  }
}

type EncodingStep = Awaited<ReturnType<typeof prepareEncoding>>;

/** The encoder alone, its parameters as a state that no step changes. */
function prepareEncoding(engine: Engine, encoder: TrainableEncoder<never>) {
  return engine.prepareStep<TensorTree, TensorTree, TensorTree>(
    (state, inputs) => ({ state, outputs: { features: encoder.apply(state, inputs) } }),
    encoder.initialParameters as never,
  );
}

class InitialFeatures implements FeatureRows {
  private constructor(
    readonly dim: number,
    private readonly program: EncodingStep,
    private readonly rows: ContentRows,
    private readonly onPosts: (posts: number) => void,
  ) {}

  static async create(
    engine: Engine,
    encoder: TrainableEncoder<never>,
    rows: ContentRows,
    onPosts: (posts: number) => void,
  ): Promise<InitialFeatures> {
    return new InitialFeatures(encoder.outputDim, await prepareEncoding(engine, encoder), rows, onPosts);
  }

  async gather(indices: readonly number[]): Promise<HostTensor> {
    const data = new Float32Array(indices.length * this.dim);
    for (let start = 0; start < indices.length; start += POSTS_AT_ONCE) {
      const part = indices.slice(start, start + POSTS_AT_ONCE);
      const { inputs } = await this.rows.gather(part);
      const outputs = (await this.program.step(inputs as never)) as unknown as HostTree;
      data.set((outputs.features as HostTensor).data, start * this.dim);
      this.onPosts(part.length);
    }
    return hostTensor(data, [indices.length, this.dim]);
  }

  dispose(): Promise<void> {
    return this.program.dispose();
  }
}
