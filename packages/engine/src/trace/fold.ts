import * as tf from '@tensorflow/tfjs';
import { sizeOf } from '@drf/tensor';
import type { Graph } from '../graph/graph.js';
import { asType } from '../graph/data.js';
import { broadcastShapes } from '../graph/shapes.js';
import { baseOf, constantData, type ElementData, type ElementType, type Value } from '../graph/value.js';
import type { Kernel, KernelInputs } from '../kernels/kernel.js';
import { knownData } from './backend.js';

/** Numbers that go into a kernel of more than linear work which is still computed while tracing. */
const LARGEST_SMALL_FOLD = 4096;

type CpuBackend = tf.KernelBackend & { firstUse?: boolean };

function cpuBackend(): CpuBackend {
  const backend = tf.findBackend('cpu') as CpuBackend;
  backend.firstUse = false; // no advice to install tfjs-node
  return backend;
}

function compute(
  name: string,
  inputs: readonly (readonly [string, Value, ElementData])[],
  attributes: object,
  asList: boolean,
) {
  const backend = cpuBackend();
  const infos = inputs.map(([key, value, data]): [string, tf.TensorInfo] => {
    const dtype = value.type as tf.DataType;
    return [
      key,
      { dataId: backend.write(data as Float32Array, [...value.shape], dtype), shape: [...value.shape], dtype },
    ];
  });
  const named = asList ? infos.map(([, info]) => info) : Object.fromEntries(infos);
  const kernel = tf.getKernel(name, 'cpu');
  const result = kernel.kernelFunc({
    inputs: named as tf.NamedTensorInfoMap,
    attrs: attributes as tf.NamedAttrMap,
    backend,
  });
  const outputs = (Array.isArray(result) ? result : [result]).map((info) => ({
    shape: info.shape,
    type: info.dtype as ElementType,
    data: asType(info.dtype as ElementType, backend.readSync(info.dataId) as ElementData),
  }));
  infos.forEach(([, info]) => backend.disposeData(info.dataId, true));
  (Array.isArray(result) ? result : [result]).forEach((info) => backend.disposeData(info.dataId, true));
  return { outputs, isList: Array.isArray(result) };
}

/** An element-wise kernel of constants, computed on their unrepeated numbers. */
function foldElementwise(
  graph: Graph,
  kernel: Kernel,
  inputs: KernelInputs,
  attributes: object,
  asList: boolean,
): Value | undefined {
  const bases = Object.entries(inputs).map(([key, value]) => [key, baseOf(value)] as const);
  const known = bases.map(([key, base]) => [key, base, constantData(base)] as const);
  if (known.some(([, , data]) => data === undefined)) return undefined;
  const computed = compute(kernel.name, known as (readonly [string, Value, ElementData])[], attributes, asList);
  const { data, shape, type } = computed.outputs[0] as (typeof computed.outputs)[number];
  return graph.broadcast(
    graph.constant(data, shape, type),
    broadcastShapes(Object.values(inputs).map((value) => value.shape)),
  );
}

/**
 * Computes a kernel of constants by tfjs's `cpu` backend while tracing, whether or not the compiled engine has it.
 * Undefined when an input is not constant.
 */
export function fold(
  graph: Graph,
  name: string,
  kernel: Kernel | undefined,
  inputs: KernelInputs,
  attributes: object,
  asList: boolean,
): Value | readonly Value[] | undefined {
  if (kernel?.folding === 'never') return undefined;
  if (kernel?.folding === 'elementwise') return foldElementwise(graph, kernel, inputs, attributes, asList);
  const size = Object.values(inputs).reduce((sum, value) => sum + sizeOf(value.shape), 0);
  if (kernel?.folding === 'small' && size > LARGEST_SMALL_FOLD) return undefined;
  const known: (readonly [string, Value, ElementData])[] = [];
  for (const [key, value] of Object.entries(inputs)) {
    const data = knownDataIfConstant(value);
    if (data === undefined) return undefined;
    known.push([key, value, data]);
  }
  const { outputs, isList } = compute(name, known, attributes, asList);
  const values = outputs.map(({ data, shape, type }) => graph.constant(data, shape, type));
  return isList ? values : values[0];
}

function knownDataIfConstant(value: Value): ElementData | undefined {
  return constantData(baseOf(value)) === undefined ? undefined : knownData(value);
}
