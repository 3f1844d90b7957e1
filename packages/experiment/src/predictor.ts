import { mapAhead, type Engine, type Host, type HostTree, type StepProgram, type TensorTree } from '@drf/tensor';
import type {
  EncodedBatchInputs,
  EncodedMethod,
  JudgeInputs,
  JudgeOutputs,
  MethodParameters,
  TrainingProgram,
} from '@drf/model';
import { gatherBatch, isFeatureSet, type PostSet } from './feature-set.js';

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

type JudgedBatch = JudgeOutputs & { readonly details?: TensorTree };
type Inputs = JudgeInputs<EncodedBatchInputs>;
type JudgingProgram = StepProgram<MethodParameters, Inputs, JudgedBatch>;
type Parameters = Host<MethodParameters>;

const POSTS_AT_ONCE = 64;
/** Where an encoder runs in the same program. */
const CONTENTS_AT_ONCE = 16;

/** Posts of a set that are judged at once. */
export function judgedAtOnce(set: PostSet): number {
  return isFeatureSet(set) ? POSTS_AT_ONCE : CONTENTS_AT_ONCE;
}

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
  private loaded: { readonly parameters: Parameters; readonly program: JudgingProgram } | undefined;

  private constructor(
    private readonly engine: Engine,
    private readonly method: EncodedMethod,
    private readonly withDetails: boolean,
  ) {}

  /**
   * Prepares a method’s prediction on an engine.
   * @param withDetails whether predictions bring the method’s further outputs
   */
  static create(engine: Engine, method: EncodedMethod, withDetails = false): Predictor {
    return new Predictor(engine, method, withDetails);
  }

  /** @throws the signal's reason when aborted */
  predict(set: PostSet, parameters: Parameters, memory: HostTree, options: PredictOptions = {}): Promise<Predictions> {
    const run = async (): Promise<Predictions> => {
      const program = await this.load(parameters);
      return judgeSet((inputs) => program.step(inputs), set, memory, { ...options, withDetails: this.withDetails });
    };
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
  private async load(parameters: Parameters): Promise<JudgingProgram> {
    const { loaded, method, withDetails } = this;
    if (loaded?.parameters === parameters) return loaded.program;
    if (loaded !== undefined) {
      await loaded.program.writeState(parameters);
      this.loaded = { parameters, program: loaded.program };
      return loaded.program;
    }
    const program = await this.engine.prepareStep<MethodParameters, Inputs, JudgedBatch>(
      (state, { batch, memory = {} }) => {
        const { probabilities, details } = method.predict(state, batch, memory);
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
  program: TrainingProgram<EncodedBatchInputs>,
  set: PostSet,
  memory: HostTree,
  options: PredictOptions = {},
): Promise<Predictions> {
  return judgeSet((inputs) => program.judge(inputs), set, memory, options);
}

async function judgeSet(
  judge: (inputs: Host<Inputs>) => Promise<Host<JudgedBatch>>,
  set: PostSet,
  memory: HostTree,
  { onProgress, signal, withDetails = false }: PredictOptions & { readonly withDetails?: boolean },
): Promise<Predictions> {
  const parts: Float32Array[] = [];
  const details: HostTree[] = [];
  for await (const { batch, end } of batchesAhead(set, judgedAtOnce(set))) {
    signal?.throwIfAborted();
    const outputs = await judge({ batch, memory });
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
