import { UnavailableError } from '@drf/tensor';
import * as tf from '@tensorflow/tfjs';
import type { Value } from '../graph/value.js';
import { BINARY_KERNELS } from '../kernels/binary.js';
import { CONVOLUTION_KERNELS } from '../kernels/convolution.js';
import { GATHERING_KERNELS } from '../kernels/gathering.js';
import type { Kernel } from '../kernels/kernel.js';
import { LAYOUT_KERNELS } from '../kernels/layout.js';
import { MATMUL_KERNELS } from '../kernels/matmul.js';
import { NORMALIZATION_KERNELS } from '../kernels/normalization.js';
import { PADDING_KERNELS } from '../kernels/padding.js';
import { POOLING_KERNELS } from '../kernels/pooling.js';
import { REDUCTION_KERNELS } from '../kernels/reductions.js';
import { RESIZING_KERNELS } from '../kernels/resizing.js';
import { SELECT_KERNELS } from '../kernels/select.js';
import { SLICING_KERNELS } from '../kernels/slicing.js';
import { UNARY_KERNELS } from '../kernels/unary.js';
import { afterKernel } from '../kernels/after.js';
import { placeInUserCode, TRACING, TracingBackend } from './backend.js';
import { fold } from './fold.js';

/** Every tfjs kernel that a traced function may use. */
const KERNELS: readonly Kernel[] = [
  ...UNARY_KERNELS,
  ...BINARY_KERNELS,
  ...SELECT_KERNELS,
  ...REDUCTION_KERNELS,
  ...MATMUL_KERNELS,
  ...LAYOUT_KERNELS,
  ...SLICING_KERNELS,
  ...PADDING_KERNELS,
  ...GATHERING_KERNELS,
  ...CONVOLUTION_KERNELS,
  ...POOLING_KERNELS,
  ...NORMALIZATION_KERNELS,
  ...RESIZING_KERNELS,
  afterKernel,
];

function unsupported(name: string): UnavailableError {
  return new UnavailableError({
    subject: 'compile',
    expected: 'kernels that the compiled engine has',
    received: `tfjs kernel "${name}" ${placeInUserCode()}`,
    remedy: 'use another operation there or an eager engine; docs/engine.md shows how to add a kernel',
  });
}

type Given = tf.NamedTensorInfoMap | tf.TensorInfo[];

function runKernel(
  name: string,
  kernel: Kernel | undefined,
  given: Given,
  attributes: object,
  backend: TracingBackend,
) {
  const { graph } = backend;
  const inputs: Record<string, Value> = {};
  for (const [key, info] of Object.entries(given)) {
    // tfjs passes absent optional inputs as null or undefined
    if (info != null) inputs[key] = backend.valueBehind(info);
  }
  const folded = fold(graph, name, kernel, inputs, attributes, Array.isArray(given));
  if (folded === undefined && kernel === undefined) throw unsupported(name);
  const result = folded ?? (kernel as Kernel).emit(graph, inputs, attributes);
  return Array.isArray(result)
    ? (result as readonly Value[]).map((value) => backend.tensorOf(value))
    : backend.tensorOf(result as Value);
}

function register(name: string, kernel: Kernel | undefined): void {
  tf.registerKernel({
    kernelName: name,
    backendName: TRACING,
    kernelFunc: ({ inputs, attrs, backend }) => runKernel(name, kernel, inputs, attrs ?? {}, backend as TracingBackend),
  });
}

/** The tracing backend, registered with tfjs on first use. Priority 0: tfjs never chooses it by itself. */
export function tracingBackend(): TracingBackend {
  const started = tf.engine().registryFactory[TRACING] === undefined ? undefined : tf.findBackend(TRACING);
  if (started) return started as TracingBackend;
  tf.registerBackend(TRACING, () => new TracingBackend(), 0);
  const ours = new Map(KERNELS.map((kernel) => [kernel.name, kernel]));
  // every kernel of tfjs is known by name, so that a missing one is reported with its place in the user's code
  const names = new Set([...tf.getKernelsForBackend('cpu').map((kernel) => kernel.kernelName), ...ours.keys()]);
  for (const name of names) register(name, ours.get(name));
  return tf.findBackend(TRACING) as TracingBackend;
}
