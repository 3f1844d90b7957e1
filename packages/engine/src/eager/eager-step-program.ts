import * as tf from '@tensorflow/tfjs';
import {
  flattenTree,
  toHost,
  type Host,
  type HostTensor,
  type PureStep,
  type StepProgram,
  type TensorTree,
} from '@drf/tensor';
import { assertSameLeaves, noLeaf } from '../state-shapes.js';
import { Turns } from '../turns.js';
import { withBackend } from './backend.js';
import { disposeTree, downloadTree, uploadTree } from './tensors.js';

/** A step that runs eagerly; its state stays in the backend's memory between calls. */
export class EagerStepProgram<S extends TensorTree, I extends TensorTree, O extends TensorTree> implements StepProgram<
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
