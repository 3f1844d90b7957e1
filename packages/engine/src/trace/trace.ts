import * as tf from '@tensorflow/tfjs';
import { ConfigurationError, flattenTree, mapTree, type Host, type HostTensor, type TensorTree } from '@drf/tensor';
import { withBackend } from '../eager/backend.js';
import { Graph, type TracedFunction } from '../graph/graph.js';
import type { InputRole, OutputRole, Port, Value } from '../graph/value.js';
import { cast } from '../kernels/kernel.js';
import { TRACING, type TracingBackend } from './backend.js';
import { tracingBackend } from './register.js';

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
 * @param given constants become part of the graph; of the state and the inputs only shapes and types matter
 */
export function trace<C extends TensorTree, S extends TensorTree, I extends TensorTree>(
  given: { readonly constants: Host<C>; readonly state: Host<S>; readonly inputs: Host<I> },
  run: (constants: C, state: S, inputs: I) => { readonly state: TensorTree; readonly outputs: TensorTree },
): TracedFunction {
  const backend = tracingBackend();
  const graph = new Graph();
  const inputs: Port<InputRole>[] = [];
  const outputs: Port<OutputRole>[] = [];
  const enter = <T extends TensorTree>(tree: Host<T>, toValue: (leaf: HostTensor, name: string) => Value): T =>
    mapTree<HostTensor, tf.Tensor>(tree, (leaf, name) => tensorFor(backend, toValue(leaf, name))) as T;
  const open = (role: InputRole) => {
    return ({ shape, dtype }: HostTensor, name: string): Value => {
      const value = graph.input(shape, dtype);
      inputs.push({ role, name, value });
      return value;
    };
  };
  const leave = (role: 'next' | 'output', tree: TensorTree): tf.Tensor[] => {
    const tensors = flattenTree<tf.Tensor>(tree);
    for (const [name, tensor] of tensors) outputs.push({ role, name, value: returned(backend, name, tensor) });
    return [...tensors.values()];
  };
  const record = (): void => {
    const result = tf.tidy(() => {
      const constants = enter(given.constants, ({ data, shape, dtype }) => graph.constant(data, shape, dtype));
      const state = enter(given.state, open('state'));
      return run(constants, state, enter(given.inputs, open('input')));
    });
    const tensors = new Set([...leave('next', result.state), ...leave('output', result.outputs)]);
    tensors.forEach((tensor) => tensor.dispose());
  };
  withBackend(TRACING, () => backend.record(graph, record));
  return { graph, inputs, outputs };
}
