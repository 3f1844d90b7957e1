import type { HostTensor } from './host.js';
import type { Host, TensorTree } from './tree.js';

/**
 * A kernel of backends that record operations for a compiled program, and of no others: its inputs again, by number,
 * of which nothing may be computed before the input `event` is known. Recomputing in a gradient needs it.
 */
export const AFTER_KERNEL = 'DrfAfter';

/**
 * A pure function over tensors that an engine runs again and again. `constants` are the trees that were bound once
 * (such as a trained model's parameters).
 */
export type PureFunction<Constants extends TensorTree, Inputs extends TensorTree, Outputs extends TensorTree> = (
  constants: Constants,
  inputs: Inputs,
) => Outputs;

/** `step(state, inputs) → (state, outputs)`: no variables, no hidden state; the new state has the old one's shapes. */
export type PureStep<State extends TensorTree, Inputs extends TensorTree, Outputs extends TensorTree> = (
  state: State,
  inputs: Inputs,
) => { readonly state: State; readonly outputs: Outputs };

/** How one run of a program is computed. */
export interface RunOptions {
  /**
   * Whether no other run is known to come. Of a program that computes several runs at once, such a run gets more threads
   * than its share, where nothing else is under way: it takes less time, and its sums may have another order.
   */
  readonly alone?: boolean;
}

/** A function made ready by an engine. Input shapes may differ from call to call. */
export interface Program<Inputs extends TensorTree, Outputs extends TensorTree> {
  /** How many runs that overlap are computed at once; left out: 1. */
  readonly parallelRuns?: number;
  /** Whether one graph serves inputs of all sizes, as far as is known; the first run, or {@link Program.warmUp}, may show that it does not. */
  readonly hasOneGraph?: boolean;
  /**
   * Computes; the arrays are copied in and out. Compiled engines trace anew for inputs of new shapes, unless these differ by
   * {@link PrepareOptions.dynamicAxes} alone. Runs may overlap.
   */
  run(inputs: Host<Inputs>, options?: RunOptions): Promise<Host<Outputs>>;
  /**
   * Prepares what runs with inputs like these need, so that the first of them take no longer than others. Call it before any run.
   * @throws UnavailableError when there is no memory for it
   */
  warmUp?(inputs: Host<Inputs>): Promise<void>;
  /** Frees what it holds, once all runs have ended; it cannot be used afterwards. */
  dispose(): Promise<void>;
}

/** A step made ready by an engine, which keeps the state between calls. Calls must not overlap. */
export interface StepProgram<State extends TensorTree, Inputs extends TensorTree, Outputs extends TensorTree> {
  /** Computes one step and keeps the new state. */
  step(inputs: Host<Inputs>): Promise<Host<Outputs>>;
  /** A copy of the state as it stands after the last step. */
  readState(): Promise<Host<State>>;
  /** A copy of one leaf of the state, by flat name: for states too large to copy whole. @throws ConfigurationError when there is none. */
  readLeaf(flatName: string): Promise<HostTensor>;
  /**
   * Replaces the state.
   * @throws ShapeMismatchError when it is of another shape
   */
  writeState(state: Host<State>): Promise<void>;
  /** Frees what it holds; it cannot be used afterwards. */
  dispose(): Promise<void>;
}

/** Numbers by which an engine multiplies rows by a weight matrix. */
export const PRODUCT_TYPES = ['float32', 'int8'] as const;
/** One of {@link PRODUCT_TYPES}. */
export type ProductType = (typeof PRODUCT_TYPES)[number];

/** How an engine computes what it makes ready. */
export interface PrepareOptions {
  /**
   * `int8`: products of rows and large weight matrices that never change are computed in whole numbers of eight bits, the
   * rows with a scale each and the weights with one a column: faster, and off by about a hundredth. For the engine
   * `compiled` alone. Default `float32`.
   */
  readonly products?: ProductType;
  /**
   * Of a function without state: whether runs that overlap are computed side by side, each by its share of the engine's
   * threads and from constants of its own, of which copies take 512 MiB at most beside the first. More is done in a time where many runs are under
   * way, as threads need not wait for each other. A number, 1 or more: so many at once at most. Engines that know no such thing compute one run
   * after the other. Default false.
   */
  readonly parallel?: boolean | number;
  /**
   * Of a function without state: axes of its inputs, of all that have them, whose sizes differ from run to run. The compiled
   * engine then makes one graph for all sizes, with the constants in it, instead of one for each: a run with new sizes takes no
   * longer than any other. It traces the function at some sizes that it chooses, of 73 at most, whatever sizes the runs have.
   * So the function must depend on the sizes by shapes alone: a branch on one, a check of one, or a constant made of one that is
   * the same at small sizes (a mask of what is less than 100 places away) would be overlooked. Where its graphs differ by more
   * than shapes, and in other engines, this changes nothing. Default none.
   */
  readonly dynamicAxes?: readonly DynamicAxisName[];
}

/** An axis of inputs: the first one, such as the contents of a batch, or the second, such as the tokens of texts. */
export type DynamicAxisName = 'batch' | 'length';

/**
 * Runs pure functions over tfjs tensors: eagerly on a tfjs backend, or compiled. The function must not read
 * tensor values (`dataSync`, `arraySync`), draw random numbers, or keep anything between calls.
 */
export interface Engine {
  /** Such as `eager:wasm`, `compiled` (on the CPU) or `compiled:cuda`. */
  readonly name: string;
  /**
   * Makes a function ready, with the constants bound, which the program may read for as long as it exists.
   * @throws UnavailableError for an operation that the engine lacks (compiled engines say so here or at the first run);
   *   ConfigurationError for products that it does not compute
   */
  prepare<Constants extends TensorTree, Inputs extends TensorTree, Outputs extends TensorTree>(
    run: PureFunction<Constants, Inputs, Outputs>,
    constants: Host<Constants>,
    options?: PrepareOptions,
  ): Promise<Program<Inputs, Outputs>>;
  /**
   * Makes a step ready, and takes the state into the engine.
   * @throws ConfigurationError for products that the engine does not compute
   */
  prepareStep<State extends TensorTree, Inputs extends TensorTree, Outputs extends TensorTree>(
    step: PureStep<State, Inputs, Outputs>,
    initialState: Host<State>,
    options?: PrepareOptions,
  ): Promise<StepProgram<State, Inputs, Outputs>>;
  /** Frees what it holds; it cannot be used afterwards. */
  dispose(): Promise<void>;
}

/** ONNX Runtime's execution providers that the compiled engine can compute on; which of them an installation has depends on its platform. */
export const EXECUTION_PROVIDERS = ['cpu', 'cuda', 'webgpu', 'coreml', 'dml'] as const;
/** One of {@link EXECUTION_PROVIDERS}. */
export type ExecutionProvider = (typeof EXECUTION_PROVIDERS)[number];

/**
 * Names of the engines that `createEngine` of `@drf/engine` makes, which is what `--engine` accepts. `compiled` is
 * `compiled:cpu`; the others after a colon are accelerators.
 */
export const ENGINE_NAMES = [
  'auto',
  'compiled',
  'compiled:cpu',
  'compiled:cuda',
  'compiled:webgpu',
  'compiled:coreml',
  'compiled:dml',
  'eager:tensorflow',
  'eager:wasm',
  'eager:cpu',
] as const satisfies readonly ('auto' | 'compiled' | `compiled:${ExecutionProvider}` | `eager:${string}`)[];
/** One of {@link ENGINE_NAMES}. */
export type EngineName = (typeof ENGINE_NAMES)[number];
