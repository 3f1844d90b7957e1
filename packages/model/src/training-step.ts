import * as tf from '@tensorflow/tfjs';
import {
  flattenTree,
  hostScalar,
  hostTensor,
  mapTree,
  withLeaves,
  type ClassScores,
  type Engine,
  type Host,
  type HostTensor,
  type HostTree,
  type PerPost,
  type Scalar,
  type TensorTree,
} from '@drf/tensor';
import {
  adamW,
  biasCorrections,
  clipGlobalNorm,
  cosineLearningRate,
  initialMoments,
  valueAndGradients,
  zerosLike,
  type AdamWMoments,
  type AdamWOptions,
} from './adamw.js';
import { withoutEncoders } from './encoded-method.js';
import type { BatchInputs, LossResult, Method, MethodParameters } from './method.js';

/** Parameters and AdamW moments; the step number stays with the caller, who turns it into {@link stepSchedule}. */
export type TrainingState = {
  readonly parameters: MethodParameters;
  /** Of the trained parameters. */
  readonly moments: AdamWMoments;
  /** Gradients of the step's parts so far, where steps are computed in parts; what is in it between steps is void. */
  readonly gradients?: TensorTree;
};

/** Posts to judge by the state's parameters, which stay as they are. */
export type JudgeInputs<Batch extends TensorTree = BatchInputs, M extends TensorTree = TensorTree> = {
  readonly batch: Batch;
  /** What the method's memory gives; left out where it gives nothing. */
  readonly memory?: M;
};

/** A part of a step's batch, whose gradient is added to those of the parts before. */
export type AccumulateInputs<Batch extends TensorTree = BatchInputs, M extends TensorTree = TensorTree> = JudgeInputs<
  Batch,
  M
> & {
  /** int32 [batch] */
  readonly labels: PerPost;
  readonly part: StepPart;
};

/** A batch to learn from, or the last part of one. */
export type LearnInputs<Batch extends TensorTree = BatchInputs, M extends TensorTree = TensorTree> = JudgeInputs<
  Batch,
  M
> & {
  /** int32 [batch] */
  readonly labels: PerPost;
  /** Given when, and only when, the state holds gradients. */
  readonly part?: StepPart;
  readonly schedule: StepSchedule;
};

/** Gradients of a whole batch, in the structure of the trained parameters, to move these by. */
export type MoveInputs = { readonly gradients: TensorTree; readonly schedule: StepSchedule };

/** How a part of a step's batch counts, each []. */
export type StepPart = {
  /** The part's share of the step's posts. */
  readonly weight: Scalar;
  /** 0 for the first part of a step, which forgets the former step's gradients, else 1. */
  readonly keep: Scalar;
};

/** What a step is told about learning rates and bias corrections, each []. */
export type StepSchedule = {
  readonly learningRates: { readonly encoder: Scalar; readonly head: Scalar };
  readonly firstCorrection: Scalar;
  readonly secondCorrection: Scalar;
};

/** [batch, classes], each row summing to 1. */
export type JudgeOutputs = { readonly probabilities: ClassScores };

/** The loss with its parts (each []), the probabilities, and what the memory is to learn. */
export type LossOutputs<O extends TensorTree = TensorTree> = JudgeOutputs &
  Pick<LossResult<O>, 'total' | 'parts' | 'observations'>;

/** The global norm of the gradients before clipping, [], where they are clipped. */
export type MoveOutputs = { readonly gradientNorm?: Scalar };

/** What {@link LossOutputs} and {@link MoveOutputs} say. */
export type LearnOutputs<O extends TensorTree = TensorTree> = LossOutputs<O> & MoveOutputs;

/** As {@link LossOutputs}, and the gradient of the parts so far, in the structure of the trained parameters. */
export type GradientOutputs<O extends TensorTree = TensorTree> = LossOutputs<O> & { readonly gradients: TensorTree };

/** Two learning rates, each decayed to `floor` by a cosine over all steps. */
export interface LearningRates {
  readonly encoder: number;
  readonly head: number;
  readonly floor: number;
}

/** How parameters move. */
export interface TrainingOptions extends AdamWOptions {
  /** Largest global norm of the gradients: {@link clipGlobalNorm}. Default: no limit. */
  readonly clipNorm?: number | undefined;
  /** Whether steps are computed in parts; default: whole. */
  readonly inParts?: boolean;
}

/**
 * A method's training as pure functions of one state:
 * - `learn`: loss, gradients of the trained parameters by tfjs autodiff, AdamW. Enqueueing is not in it: the caller hands
 *   `observations` to the method's memory afterwards.
 * - `accumulate`: the same without AdamW, for all parts of a step's batch but the last: `weight` times the part's gradient
 *   is added to the state's. All parts read the same memory, which the caller updates after the last. For losses that
 *   are means over the posts (all of DRF's: its other terms depend on the queues alone) the step equals that of the
 *   whole batch up to rounding. A loss that compares the posts of a batch with each other sees only those of its part.
 * - `differentiate` and `move`: the two halves of `learn`, for parts of a batch that other processes compute. The first
 *   gives out what `accumulate` would have added up, and leaves the state as it is; the second takes the sum over all
 *   processes, and clips that.
 * - `judge`: probabilities, and the state as it is.
 */
export function trainingFunctions<
  Batch extends TensorTree = BatchInputs,
  M extends TensorTree = TensorTree,
  O extends TensorTree = TensorTree,
>(
  given: Method<MethodParameters, M, O, Batch>,
  options: TrainingOptions,
): {
  readonly learn: (state: TrainingState, inputs: LearnInputs<Batch, M>) => StepResult<LearnOutputs<O>>;
  readonly accumulate: (state: TrainingState, inputs: AccumulateInputs<Batch, M>) => StepResult<LossOutputs<O>>;
  readonly differentiate: (state: TrainingState, inputs: AccumulateInputs<Batch, M>) => StepResult<GradientOutputs<O>>;
  readonly move: (state: TrainingState, inputs: MoveInputs) => StepResult<MoveOutputs>;
  readonly judge: (state: TrainingState, inputs: JudgeInputs<Batch, M>) => StepResult<JudgeOutputs>;
} {
  const method: Method<MethodParameters, TensorTree, O, Batch> = given; // an empty memory is none
  const differentiate = (
    { parameters: { trained, fixed }, gradients: sums }: TrainingState,
    { batch, labels, memory = {}, part }: AccumulateInputs<Batch> | LearnInputs<Batch>,
  ): { readonly gradients: TensorTree; readonly outputs: LossOutputs<O> } => {
    const { gradients, auxiliary: outputs } = valueAndGradients((own) => {
      const { total, parts, observations, prediction } = method.loss({ trained: own, fixed }, batch, labels, memory);
      const auxiliary = { total, parts, observations, probabilities: prediction.probabilities };
      return { loss: part === undefined ? total : tf.mul(total, part.weight), auxiliary };
    }, trained);
    const hasSums = part !== undefined && sums !== undefined;
    return { gradients: hasSums ? added(sums, gradients, part.keep) : gradients, outputs };
  };
  const move = (state: TrainingState, { gradients, schedule }: MoveInputs): StepResult<MoveOutputs> => {
    if (options.clipNorm === undefined) return { state: moved(state, gradients, schedule, options), outputs: {} };
    const { gradients: clipped, norm } = clipGlobalNorm(gradients, options.clipNorm);
    return { state: moved(state, clipped, schedule, options), outputs: { gradientNorm: norm } };
  };
  return {
    learn: (state, inputs) => {
      const { gradients, outputs } = differentiate(state, inputs);
      const { state: next, outputs: ofMove } = move(state, { gradients, schedule: inputs.schedule });
      return { state: next, outputs: { ...outputs, ...ofMove } };
    },
    accumulate: (state, inputs) => {
      const { gradients, outputs } = differentiate(state, inputs);
      return { state: { ...state, gradients }, outputs };
    },
    differentiate: (state, inputs) => {
      const { gradients, outputs } = differentiate(state, inputs);
      return { state, outputs: { ...outputs, gradients } };
    },
    move,
    judge: (state, { batch, memory = {} }: JudgeInputs<Batch>) => {
      const { probabilities } = method.predict(state.parameters, batch, memory);
      return { state, outputs: { probabilities } };
    },
  };
}

type StepResult<Outputs> = { readonly state: TrainingState; readonly outputs: Outputs };

/** keep · sum + g: the first part of a step keeps nothing of what the former step left. */
function added(sums: TensorTree, gradients: TensorTree, keep: Scalar): TensorTree {
  const flat = flattenTree<tf.Tensor>(sums);
  return mapTree(gradients, (gradient, name) => tf.add(tf.mul(flat.get(name) as tf.Tensor, keep), gradient));
}

/** The state after AdamW: `encoders` of the trained parameters at their rate, everything else at the head's. */
function moved(
  state: TrainingState,
  gradients: TensorTree,
  { learningRates, ...corrections }: StepSchedule,
  optimizer: AdamWOptions,
): TrainingState {
  const { trained, fixed } = state.parameters;
  const update = (pick: (tree: TensorTree) => TensorTree, learningRate: Scalar) => {
    const moments = { first: pick(state.moments.first), second: pick(state.moments.second) };
    return adamW(pick(trained), pick(gradients), moments, { learningRate, ...corrections }, optimizer);
  };
  const head = update(withoutEncoders, learningRates.head);
  const encodersOf = ({ encoders: own }: TensorTree): TensorTree => (own === undefined ? {} : { encoders: own });
  const encoders = update(encodersOf, learningRates.encoder);
  return {
    ...state,
    parameters: { trained: { ...head.parameters, ...encoders.parameters }, ...(fixed === undefined ? {} : { fixed }) },
    moments: {
      first: { ...head.moments.first, ...encoders.moments.first },
      second: { ...head.moments.second, ...encoders.moments.second },
    },
  };
}

/** A method's training made ready by an engine, which keeps the state between calls. Calls must not overlap. */
export interface TrainingProgram<
  Batch extends TensorTree = BatchInputs,
  M extends TensorTree = TensorTree,
  O extends TensorTree = TensorTree,
> {
  /** Moves the parameters by a batch, or by the last part of one. */
  learn(inputs: Host<LearnInputs<Batch, M>>): Promise<Host<LearnOutputs<O>>>;
  /** Adds the gradient of a part of a batch; with `inParts` only. */
  accumulate(inputs: Host<AccumulateInputs<Batch, M>>): Promise<Host<LossOutputs<O>>>;
  /** Gives out the gradient of a part of a batch, with those of the parts that were accumulated before it. */
  differentiate(inputs: Host<AccumulateInputs<Batch, M>>): Promise<Host<GradientOutputs<O>>>;
  /** Moves the parameters by gradients. */
  move(inputs: Host<MoveInputs>): Promise<Host<MoveOutputs>>;
  judge(inputs: Host<JudgeInputs<Batch, M>>): Promise<Host<JudgeOutputs>>;
  /** Parameters and moments as they stand. */
  readState(): Promise<Host<SavedState>>;
  /** Goes on from parameters and moments that were read. */
  writeState(state: Host<SavedState>): Promise<void>;
  /** Frees what it holds; it cannot be used afterwards. */
  dispose(): Promise<void>;
}

/** What of a training's state is worth keeping between steps. */
export type SavedState = Pick<TrainingState, 'parameters' | 'moments'>;

/**
 * Makes a method's training ready: {@link trainingFunctions} as one program, so that one state serves them without a copy.
 *
 * ```ts
 * const training = await prepareTraining(engine, method, method.initialParameters(random), ADAMW_DEFAULTS);
 * const outputs = await training.learn({ batch, labels, memory: memory.inputs(), schedule });
 * memory.update(outputs.observations);
 * ```
 */
export async function prepareTraining<
  Batch extends TensorTree = BatchInputs,
  M extends TensorTree = TensorTree,
  O extends TensorTree = TensorTree,
>(
  engine: Engine,
  method: Method<MethodParameters, M, O, Batch>,
  parameters: Host<MethodParameters>,
  options: TrainingOptions,
): Promise<TrainingProgram<Batch, M, O>> {
  const functions = trainingFunctions(method, options);
  type Call = {
    readonly learn?: LearnInputs<Batch, M>;
    readonly accumulate?: AccumulateInputs<Batch, M>;
    readonly differentiate?: AccumulateInputs<Batch, M>;
    readonly move?: MoveInputs;
    readonly judge?: JudgeInputs<Batch, M>;
  };
  type Answer = {
    readonly learned?: LearnOutputs<O>;
    readonly added?: LossOutputs<O>;
    readonly differentiated?: GradientOutputs<O>;
    readonly moved?: MoveOutputs;
    readonly judged?: JudgeOutputs;
  };
  const room = options.inParts === true ? { gradients: zerosLike(parameters.trained) } : {};
  const program = await engine.prepareStep<TrainingState, Call, Answer>(
    (state, { learn, accumulate, differentiate, move, judge }) => {
      if (learn !== undefined) {
        const { state: next, outputs } = functions.learn(state, learn);
        return { state: next, outputs: { learned: outputs } };
      }
      if (accumulate !== undefined) {
        const { state: next, outputs } = functions.accumulate(state, accumulate);
        return { state: next, outputs: { added: outputs } };
      }
      if (differentiate !== undefined) {
        return { state, outputs: { differentiated: functions.differentiate(state, differentiate).outputs } };
      }
      if (move !== undefined) {
        const { state: next, outputs } = functions.move(state, move);
        return { state: next, outputs: { moved: outputs } };
      }
      return { state, outputs: judge === undefined ? {} : { judged: functions.judge(state, judge).outputs } };
    },
    { parameters, moments: initialMoments(parameters.trained), ...room },
  );
  // an engine leaves empty trees out
  const withObservations = <Outputs>(outputs: Outputs): Outputs => ({ observations: {}, ...outputs });
  return {
    learn: async (inputs) => withObservations((await program.step({ learn: inputs })).learned as Host<LearnOutputs<O>>),
    accumulate: async (inputs) =>
      withObservations((await program.step({ accumulate: inputs })).added as Host<LossOutputs<O>>),
    differentiate: async (inputs) =>
      withObservations((await program.step({ differentiate: inputs })).differentiated as Host<GradientOutputs<O>>),
    move: async (inputs) => (await program.step({ move: inputs })).moved ?? {},
    judge: async (inputs) => (await program.step({ judge: inputs })).judged as Host<JudgeOutputs>,
    readState: async () => {
      const { parameters: own, moments } = await program.readState();
      return { parameters: own, moments };
    },
    writeState: (state) => program.writeState({ ...state, ...room }),
    dispose: () => program.dispose(),
  };
}

/** What part `index` of a step is told: `posts` of the step's `total`. */
export function stepPart(index: number, posts: number, total: number): Host<StepPart> {
  return { weight: hostScalar(posts / total), keep: hostScalar(index === 0 ? 0 : 1) };
}

/** What step `step` (from 0) of `totalSteps` is told about learning rates and bias corrections. */
export function stepSchedule(
  step: number,
  totalSteps: number,
  rates: LearningRates,
  optimizer: AdamWOptions,
): Host<StepSchedule> {
  const corrections = biasCorrections(step + 1, optimizer);
  const rate = (peak: number): HostTensor =>
    hostScalar(cosineLearningRate(peak, Math.min(rates.floor, peak), step, totalSteps));
  return {
    learningRates: { encoder: rate(rates.encoder), head: rate(rates.head) },
    firstCorrection: hostScalar(corrections.first),
    secondCorrection: hostScalar(corrections.second),
  };
}

/**
 * Trees of a step's parts as if the batch had been whole: numbers [] become their mean, weighted by posts; everything
 * else has a row a post and is put end to end. What only the last part says (the gradients' norm) is taken from it.
 * @param parts outputs or observations of each part
 * @param posts of each part
 */
export function joinParts<Outputs extends HostTree>(parts: readonly Outputs[], posts: readonly number[]): Outputs {
  const last = parts.at(-1) as Outputs;
  if (parts.length === 1) return last;
  const flat = parts.map((part) => flattenTree<HostTensor>(part));
  const joined = [...flattenTree<HostTensor>(last)].map(([name, own]) => {
    const leaves = flat.flatMap((part) => part.get(name) ?? []);
    if (leaves.length < parts.length) return [name, own] as const;
    return [name, own.shape.length === 0 ? weightedMean(leaves, posts) : endToEnd(leaves)] as const;
  });
  return withLeaves(last, new Map(joined));
}

function weightedMean(numbers: readonly HostTensor[], posts: readonly number[]): HostTensor {
  const total = posts.reduce((sum, count) => sum + count, 0);
  return hostScalar(
    numbers.reduce((sum, { data }, i) => sum + ((data[0] as number) * (posts[i] as number)) / total, 0),
  );
}

function endToEnd(parts: readonly HostTensor[]): HostTensor {
  const [first] = parts as [HostTensor];
  const size = parts.reduce((sum, { data }) => sum + data.length, 0);
  const joined = first.dtype === 'float32' ? new Float32Array(size) : new Int32Array(size);
  let offset = 0;
  for (const { data } of parts) {
    joined.set(data, offset);
    offset += data.length;
  }
  return hostTensor(joined, [parts.reduce((sum, { shape }) => sum + (shape[0] as number), 0), ...first.shape.slice(1)]);
}
