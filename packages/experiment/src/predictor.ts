import { type Engine, type Host, type HostTensor, type HostTree, type Program, type TensorTree } from '@drf/tensor';
import type { BatchInputs, Method, Prediction } from '@drf/model';
import { gatherBatch, type FeatureSet } from './feature-set.js';

/** Judged posts. */
export interface Predictions {
  readonly ids: readonly string[];
  readonly labels: Int32Array;
  readonly classes: number;
  /** [posts, classes], rows of which sum to 1 */
  readonly probabilities: Float32Array;
  /** The rows of one post. */
  row(index: number): Float32Array;
  /** Further outputs by batch, when asked for. */
  readonly details: readonly HostTree[];
}

type PredictorInputs = {
  readonly parameters: TensorTree;
  readonly memory: TensorTree;
  readonly batch: BatchInputs;
};
type PredictorOutputs = { readonly probabilities: Prediction['probabilities']; readonly details: TensorTree };

const POSTS_AT_ONCE = 64;

/** Judges feature sets with any parameters of one method; prepared once, used for every epoch and cell. */
export class Predictor {
  private constructor(
    private readonly program: Program<PredictorInputs, PredictorOutputs>,
    private readonly withDetails: boolean,
  ) {}

  /** @param withDetails also return weights, densities and features of each batch */
  static async create(engine: Engine, method: Method, withDetails = false): Promise<Predictor> {
    const program = await engine.prepare(
      (_constants: TensorTree, { parameters, memory, batch }: PredictorInputs): PredictorOutputs => {
        const { probabilities, details } = method.predict(parameters, batch, memory);
        return { probabilities, details: withDetails ? details : {} };
      },
      {},
    );
    return new Predictor(program, withDetails);
  }

  async predict(set: FeatureSet, parameters: HostTree, memory: HostTree): Promise<Predictions> {
    const parts: Float32Array[] = [];
    const details: HostTree[] = [];
    for (let start = 0; start < set.ids.length; start += POSTS_AT_ONCE) {
      const end = Math.min(start + POSTS_AT_ONCE, set.ids.length);
      const indices = Array.from({ length: end - start }, (_, i) => start + i);
      const { batch } = await gatherBatch(set, indices);
      const outputs = await this.program.run({ parameters, memory, batch } as Host<PredictorInputs>);
      parts.push((outputs.probabilities as unknown as HostTensor).data as Float32Array);
      if (this.withDetails) details.push((outputs.details as HostTree | undefined) ?? {});
    }
    return join(set, parts, details);
  }

  dispose(): Promise<void> {
    return this.program.dispose();
  }
}

function join(set: FeatureSet, parts: readonly Float32Array[], details: readonly HostTree[]): Predictions {
  const total = parts.reduce((sum, part) => sum + part.length, 0);
  const probabilities = new Float32Array(total);
  let offset = 0;
  for (const part of parts) {
    probabilities.set(part, offset);
    offset += part.length;
  }
  const classes = set.ids.length === 0 ? 0 : total / set.ids.length;
  return {
    ids: set.ids,
    labels: set.labels,
    classes,
    probabilities,
    row: (index) => probabilities.subarray(index * classes, (index + 1) * classes),
    details,
  };
}
