import type { Engine, HostTree, StepProgram, TensorTree } from '@drf/tensor';
import type {
  EncodedBatchInputs,
  Method,
  PredictionInputs,
  PredictionOutputs,
  StepInputs,
  TrainingOutputs,
  TrainingState,
} from '@drf/model';
import { mapAhead } from '@drf/datasets';
import { areFeatures, gatherBatch, type PostSet } from './feature-set.js';

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

type Batch = EncodedBatchInputs;
type JudgedBatch = PredictionOutputs & { readonly details?: TensorTree };
type JudgingProgram = StepProgram<TensorTree, PredictionInputs<Batch>, JudgedBatch>;
/** The program of a training step, which judges where it is given no labels. */
export type TrainingProgram = StepProgram<TrainingState, StepInputs<Batch>, TrainingOutputs>;

const POSTS_AT_ONCE = 64;
/** Where an encoder runs in the same program. */
const CONTENTS_AT_ONCE = 16;

/** How to tell of progress, and how to be told to stop. */
export interface PredictOptions {
  /** Called with the posts judged so far, and all. */
  readonly onProgress?: ((done: number, total: number) => void) | undefined;
  readonly signal?: AbortSignal | undefined;
}

/** Judges feature sets with any parameters of one method; prepared once, used for every cell. */
export class Predictor {
  /** Calls wait for each other: a program keeps one set of parameters. */
  private last: Promise<unknown> = Promise.resolve();
  private loaded: { readonly parameters: HostTree; readonly program: JudgingProgram } | undefined;

  private constructor(
    private readonly engine: Engine,
    private readonly method: Method<Batch>,
    private readonly withDetails: boolean,
  ) {}

  /** @param withDetails also return weights, densities and features of each batch */
  /**
   * Prepares a method’s prediction on an engine.
   * @param withDetails whether predictions bring the method’s further outputs
   */
  static async create(engine: Engine, method: Method<Batch>, withDetails = false): Promise<Predictor> {
    return new Predictor(engine, method, withDetails);
  }

  /** @throws the signal's reason when aborted */
  predict(set: PostSet, parameters: HostTree, memory: HostTree, options: PredictOptions = {}): Promise<Predictions> {
    const run = async (): Promise<Predictions> =>
      judgeSet(await this.load(parameters), set, memory, { ...options, withDetails: this.withDetails });
    const result = this.last.then(run);
    this.last = result.catch(() => undefined);
    return result;
  }

  /** Frees what it holds; it cannot be used afterwards. */
  async dispose(): Promise<void> {
    await this.last;
    await this.loaded?.program.dispose();
    this.loaded = undefined;
  }

  /** The parameters go to the engine once, not with every batch: encoders may be among them. */
  private async load(parameters: HostTree): Promise<JudgingProgram> {
    const { loaded, method, withDetails } = this;
    if (loaded?.parameters === parameters) return loaded.program;
    if (loaded !== undefined) {
      await loaded.program.writeState(parameters);
      this.loaded = { parameters, program: loaded.program };
      return loaded.program;
    }
    const program = await this.engine.prepareStep<TensorTree, PredictionInputs<Batch>, JudgedBatch>(
      (state, { batch, memory }) => {
        const { probabilities, details } = method.predict(state, batch, memory ?? {});
        return { state, outputs: { probabilities, ...(withDetails ? { details } : {}) } };
      },
      parameters,
    );
    this.loaded = { parameters, program };
    return program;
  }
}

/** Judges a set by a training program's parameters as they stand, which never leave the engine. */
export function predictWith(
  program: TrainingProgram,
  set: PostSet,
  memory: HostTree,
  options: PredictOptions = {},
): Promise<Predictions> {
  return judgeSet(program, set, memory, options);
}

async function judgeSet(
  program: JudgingProgram,
  set: PostSet,
  memory: HostTree,
  { onProgress, signal, withDetails = false }: PredictOptions & { readonly withDetails?: boolean },
): Promise<Predictions> {
  const parts: Float32Array[] = [];
  const details: HostTree[] = [];
  const size = areFeatures(set.image) && areFeatures(set.text) ? POSTS_AT_ONCE : CONTENTS_AT_ONCE;
  for await (const { batch, end } of batchesAhead(set, size)) {
    signal?.throwIfAborted();
    const outputs = await program.step({ batch, memory });
    parts.push(outputs.probabilities.data as Float32Array);
    if (withDetails) details.push(outputs.details ?? {});
    onProgress?.(end, set.ids.length);
  }
  return join(set, parts, details);
}

/** Batches in the set's order, the next one being made while one is judged. */
function batchesAhead(set: PostSet, size: number) {
  const starts = Array.from({ length: Math.ceil(set.ids.length / size) }, (_, i) => i * size);
  return mapAhead(starts, 2, async (start) => {
    const end = Math.min(start + size, set.ids.length);
    const indices = Array.from({ length: end - start }, (_, i) => start + i);
    return { ...(await gatherBatch(set, indices)), end };
  });
}

function join(set: PostSet, parts: readonly Float32Array[], details: readonly HostTree[]): Predictions {
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
