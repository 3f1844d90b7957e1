import * as tf from '@tensorflow/tfjs';
import { ConfigurationError, flattenTree, type HostTensor, type TensorTree } from '@drf/tensor';
import { withBackend } from '../eager/backend.js';
import { Graph } from '../graph/graph.js';
import type { Value } from '../graph/value.js';
import { cast } from '../kernels/build.js';
import { TRACING, type TracingBackend } from './backend.js';
import { tracingBackend } from './register.js';

/** A leaf that a traced function gets: its shape and type when it is an input, its numbers too when it is constant. */
export type Leaf = {
  readonly shape: readonly number[];
  readonly dtype: 'float32' | 'int32';
  readonly data?: HostTensor['data'];
};

/** A function as a graph: its inputs and outputs by flat name. */
export interface TracedFunction {
  readonly graph: Graph;
  readonly inputs: ReadonlyMap<string, Value>;
  readonly outputs: ReadonlyMap<string, Value>;
}

function tensorFor(backend: TracingBackend, value: Value): tf.Tensor {
  return tf.engine().makeTensorFromTensorInfo(backend.tensorOf(value), backend);
}

function returned(backend: TracingBackend, name: string, tensor: tf.Tensor): Value {
  if (tensor.isDisposed) {
    throw new ConfigurationError({
      subject: `a traced function's output "${name}"`,
      expected: 'a tensor that is still alive',
      received: 'a disposed one',
      remedy: 'keep what is made inside tf.grad or tf.tidy by returning it from there or by tf.keep',
    });
  }
  const value = backend.valueBehind(tensor);
  // what leaves a graph is float32 or int32, and written out in full
  return backend.graph.materialize(value.type === 'bool' ? cast(backend.graph, value, 'int32') : value);
}

/**
 * Runs a function once over tensors without numbers and records what it does.
 * @param leaves the function's inputs and constants by flat name
 * @param run gets a tensor for each leaf and returns a tree of tensors
 */
export function trace(
  leaves: ReadonlyMap<string, Leaf>,
  run: (tensors: ReadonlyMap<string, tf.Tensor>) => TensorTree,
): TracedFunction {
  const backend = tracingBackend();
  const graph = new Graph();
  const inputs = new Map<string, Value>();
  const outputs = new Map<string, Value>();
  const toValue = (name: string, leaf: Leaf): Value => {
    if (leaf.data !== undefined) return graph.constant(leaf.data, leaf.shape, leaf.dtype);
    const value = graph.input(name, leaf.shape, leaf.dtype);
    inputs.set(name, value);
    return value;
  };
  const record = (): void => {
    const result = tf.tidy(() => {
      const tensors = [...leaves].map(([name, leaf]) => [name, tensorFor(backend, toValue(name, leaf))] as const);
      return run(new Map(tensors));
    });
    const tensors = flattenTree<tf.Tensor>(result);
    for (const [name, tensor] of tensors) outputs.set(name, returned(backend, name, tensor));
    new Set(tensors.values()).forEach((tensor) => tensor.dispose());
  };
  withBackend(TRACING, () => backend.record(graph, record));
  return { graph, inputs, outputs };
}
