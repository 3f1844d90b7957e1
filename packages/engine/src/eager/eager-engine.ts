import {
  type Engine,
  flattenTree,
  type Host,
  type HostTensor,
  mapTree,
  type PrepareOptions,
  type Program,
  type PureFunction,
  type PureStep,
  type StepProgram,
  type TensorTree,
  unflattenTree,
} from '@drf/tensor';
import { toHost, toTensor } from '@drf/tensor/transfer';
import * as tf from '@tensorflow/tfjs';
import { assertProducts, assertSameLeaves, noLeaf, ProgramList, Turns, UnderWay } from '../programs.js';
import { startBackend, withBackend } from './backend.js';

/** Copies a host tree into the current backend. */
function uploadTree<T extends TensorTree>(host: Host<T>): T {
  return mapTree(host, toTensor) as T;
}

/** Copies a tree's numbers out of its backend. */
async function downloadTree<T extends TensorTree>(tree: T): Promise<Host<T>> {
  const leaves = [...flattenTree<tf.Tensor>(tree)];
  const hosts = await Promise.all(leaves.map(async ([name, tensor]) => [name, await toHost(tensor)] as const));
  return unflattenTree(hosts) as Host<T>;
}

/** Disposes a tree's tensors, each once, but for those of another tree. */
function disposeTree(tree: TensorTree, except?: TensorTree): void {
  const kept = new Set(except === undefined ? [] : flattenTree<tf.Tensor>(except).values());
  for (const tensor of new Set(flattenTree<tf.Tensor>(tree).values())) {
    if (!kept.has(tensor) && !tensor.isDisposed) tensor.dispose();
  }
}

/** A function that runs eagerly; its constants stay in the backend's memory. */
class EagerProgram<C extends TensorTree, I extends TensorTree, O extends TensorTree> implements Program<I, O> {
  private readonly turns = new Turns('Program.run');
  private readonly underWay = new UnderWay();
  private readonly constants: C;

  constructor(
    private readonly backend: string,
    private readonly compute: PureFunction<C, I, O>,
    constants: Host<C>,
  ) {
    this.constants = withBackend(backend, () => uploadTree<C>(constants));
  }

  async run(inputs: Host<I>): Promise<Host<O>> {
    this.turns.assertUsable();
    return await this.underWay.track(this.computed(inputs));
  }

  private async computed(inputs: Host<I>): Promise<Host<O>> {
    const outputs = withBackend(this.backend, () => tf.tidy(() => this.compute(this.constants, uploadTree<I>(inputs))));
    try {
      return await downloadTree(outputs);
    } finally {
      disposeTree(outputs, this.constants);
    }
  }

  async dispose(): Promise<void> {
    if (!this.turns.dispose()) return;
    await this.underWay.settled();
    disposeTree(this.constants);
  }
}

/** A step that runs eagerly; its state stays in the backend's memory between calls. */
class EagerStepProgram<S extends TensorTree, I extends TensorTree, O extends TensorTree> implements StepProgram<
  S,
  I,
  O
> {
  private readonly turns = new Turns('StepProgram.step');
  private state: S;

  constructor(
    private readonly backend: string,
    private readonly compute: PureStep<S, I, O>,
    initialState: Host<S>,
  ) {
    this.state = withBackend(backend, () => uploadTree<S>(initialState));
  }

  step(inputs: Host<I>): Promise<Host<O>> {
    return this.turns.take(async () => {
      const { state, outputs } = this.advance(inputs);
      const before = this.state;
      this.state = state;
      disposeTree(before, state);
      try {
        return await downloadTree(outputs);
      } finally {
        disposeTree(outputs, this.state);
      }
    });
  }

  readState(): Promise<Host<S>> {
    return this.turns.take(() => downloadTree(this.state));
  }

  readLeaf(flatName: string): Promise<HostTensor> {
    return this.turns.take(async () => {
      const leaves = flattenTree<tf.Tensor>(this.state);
      const leaf = leaves.get(flatName);
      if (leaf === undefined) throw noLeaf(flatName, [...leaves.keys()]);
      return toHost(leaf);
    });
  }

  writeState(state: Host<S>): Promise<void> {
    return this.turns.take(async () => {
      assertSameLeaves('StepProgram.writeState', this.state, state);
      const before = this.state;
      this.state = withBackend(this.backend, () => uploadTree<S>(state));
      disposeTree(before);
    });
  }

  async dispose(): Promise<void> {
    if (this.turns.dispose()) disposeTree(this.state);
  }

  private advance(inputs: Host<I>): { readonly state: S; readonly outputs: O } {
    return withBackend(this.backend, () =>
      tf.tidy(() => {
        const result = this.compute(this.state, uploadTree<I>(inputs));
        assertSameLeaves('StepProgram.step', this.state, result.state);
        // tidy looks for tensors in plain objects, whatever their depth
        return { state: result.state, outputs: result.outputs };
      }),
    );
  }
}

class EagerEngine implements Engine {
  readonly name: string;
  private readonly programs: ProgramList;

  constructor(private readonly backend: string) {
    this.name = `eager:${backend}`;
    this.programs = new ProgramList(this.name);
  }

  async prepare<C extends TensorTree, I extends TensorTree, O extends TensorTree>(
    compute: PureFunction<C, I, O>,
    constants: Host<C>,
    { products }: PrepareOptions = {},
  ): Promise<Program<I, O>> {
    assertProducts(this.name, products);
    return this.programs.add(() => new EagerProgram<C, I, O>(this.backend, compute, constants));
  }

  async prepareStep<S extends TensorTree, I extends TensorTree, O extends TensorTree>(
    step: PureStep<S, I, O>,
    initialState: Host<S>,
    { products }: PrepareOptions = {},
  ): Promise<StepProgram<S, I, O>> {
    assertProducts(this.name, products);
    return this.programs.add(() => new EagerStepProgram<S, I, O>(this.backend, step, initialState));
  }

  dispose(): Promise<void> {
    return this.programs.dispose();
  }
}

/**
 * An engine that runs every operation as it is called, on a tfjs backend: `tensorflow` (native, from
 * `@tensorflow/tfjs-node-gpu` or `@tensorflow/tfjs-node`), `wasm`, `cpu`, or one that the caller registered.
 * @throws UnavailableError when the backend does not start here; ConfigurationError when tfjs has none of that name.
 */
export async function createEagerEngine(backend: string): Promise<Engine> {
  await startBackend(backend);
  return new EagerEngine(backend);
}
