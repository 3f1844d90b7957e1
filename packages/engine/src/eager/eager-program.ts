import * as tf from '@tensorflow/tfjs';
import type { Host, Program, PureFunction, TensorTree } from '@drf/tensor';
import { Turns } from '../turns.js';
import { withBackend } from './backend.js';
import { disposeTree, downloadTree, uploadTree } from './tensors.js';

/** A function that runs eagerly; its constants stay in the backend's memory. */
export class EagerProgram<C extends TensorTree, I extends TensorTree, O extends TensorTree> implements Program<I, O> {
  private readonly turns = new Turns('Program.run');
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
    const outputs = withBackend(this.backend, () => tf.tidy(() => this.compute(this.constants, uploadTree<I>(inputs))));
    try {
      return await downloadTree(outputs);
    } finally {
      disposeTree(outputs, this.constants);
    }
  }

  async dispose(): Promise<void> {
    if (this.turns.dispose()) disposeTree(this.constants);
  }
}
