import { fileURLToPath } from 'node:url';
import { ConfigurationError } from '@drf/tensor';
import * as tf from '@tensorflow/tfjs';
import { asType, expandData } from '../graph/data.js';
import type { Graph } from '../graph/graph.js';
import { baseOf, constantData, type ElementData, type ElementType, type Value } from '../graph/value.js';

/** The tfjs backend whose tensors are values of a graph. */
export const TRACING = 'drf-tracing';

/** What tfjs takes for a tensor's data: each tensor has its own, so that disposing one never touches another. */
interface DataHandle {
  readonly value: Value;
}

function isHandle(dataId: object): dataId is DataHandle {
  return (
    'value' in dataId && typeof (dataId as DataHandle).value === 'object' && 'source' in (dataId as DataHandle).value
  );
}

/** A constant's numbers in full, or undefined when the value is computed. */
export function knownData(value: Value): ElementData | undefined {
  const base = baseOf(value);
  const data = constantData(base);
  return data && (base === value ? data : expandData(data, base.type, base.shape, value.shape));
}

/**
 * Holds no numbers: writing makes a constant of the graph under construction, kernels append operations to it, and
 * reading is refused unless the value is constant.
 */
export class TracingBackend extends tf.KernelBackend {
  private current: Graph | undefined;
  private foreign = new Map<object, Value>();

  /** Runs a function while a graph is under construction. */
  record<T>(graph: Graph, run: () => T): T {
    if (this.current !== undefined) {
      throw new ConfigurationError({
        subject: 'compile',
        expected: 'one function to be traced at a time',
        received: 'a trace inside a trace',
        remedy: 'call the inner function directly',
      });
    }
    this.current = graph;
    try {
      return run();
    } finally {
      this.current = undefined;
      this.foreign = new Map();
    }
  }

  /** The graph under construction. @throws ConfigurationError when there is none. */
  get graph(): Graph {
    if (this.current !== undefined) return this.current;
    throw new ConfigurationError({
      subject: 'a tensor of a traced function',
      expected: 'to be used inside that function',
      received: `an operation on it afterwards, ${placeInUserCode()}`,
      remedy: 'return what you need from the function',
    });
  }

  /** The value behind a tensor; a tensor of another backend (captured by the function) becomes a constant. */
  valueBehind(tensor: tf.TensorInfo): Value {
    if (isHandle(tensor.dataId)) return tensor.dataId.value;
    const known = this.foreign.get(tensor.dataId);
    if (known !== undefined) return this.graph.reshape(known, tensor.shape);
    const type = tensor.dtype as ElementType;
    const data = tf.engine().readSync(tensor.dataId) as ElementData;
    const value = this.graph.constant(asType(type, data), tensor.shape, type);
    this.foreign.set(tensor.dataId, value);
    return value;
  }

  /** A tensor for a value. */
  tensorOf(value: Value): tf.TensorInfo {
    const { type } = value;
    if (type === 'int64' || type === 'int8' || type === 'uint8') {
      throw new TypeError(`${type} values are no tensors of tfjs`);
    }
    const handle: DataHandle = { value };
    return { dataId: handle, shape: [...value.shape], dtype: type };
  }

  override write(values: tf.backend_util.BackendValues, shape: number[], dtype: tf.DataType): object {
    if (dtype === 'string' || dtype === 'complex64') {
      throw new ConfigurationError({
        subject: 'a traced function',
        expected: 'tensors of float32, int32 or bool',
        received: `a ${dtype} tensor, ${placeInUserCode()}`,
      });
    }
    const handle: DataHandle = { value: this.graph.constant(asType(dtype, values as ElementData), shape, dtype) };
    return handle;
  }

  override readSync(dataId: object): tf.backend_util.BackendValues {
    const data = isHandle(dataId) ? knownData(dataId.value) : undefined;
    if (data !== undefined) return data as Float32Array;
    throw new ConfigurationError({
      subject: 'a traced function',
      expected: 'no tensor to be read (data, dataSync, arraySync), since nothing is computed while tracing',
      received: `a read ${placeInUserCode()}`,
      remedy: 'choose between values with tf.where, or return the tensor and decide outside the function',
    });
  }

  override async read(dataId: object): Promise<tf.backend_util.BackendValues> {
    return this.readSync(dataId);
  }

  override disposeData(): boolean {
    return true;
  }

  override numDataIds(): number {
    return 0;
  }

  override refCount(): number {
    return 1;
  }

  override incRef(): void {}

  override memory(): { unreliable: boolean } {
    return { unreliable: false };
  }

  override floatPrecision(): 16 | 32 {
    return 32;
  }

  override epsilon(): number {
    return 1e-7;
  }

  override dispose(): void {}
}

/** This package's own folder of code, `src` or `dist`. */
const OWN = fileURLToPath(new URL('..', import.meta.url));

/** Operations lie deep below the user's function: tfjs wraps each several times. */
const DEEPEST = 200;

function isForeign(frame: string): boolean {
  if (frame.includes('node:internal') || /@tensorflow[/+]|tfjs-core\/src/.test(frame)) return true;
  return frame.includes(OWN) && !/\.(test|contract)\.[jt]s/.test(frame);
}

function deepStack(): string {
  const limit = Error.stackTraceLimit;
  Error.stackTraceLimit = DEEPEST;
  try {
    return new Error().stack ?? '';
  } finally {
    Error.stackTraceLimit = limit;
  }
}

/** The innermost line of the caller's own code: `at step (model.ts:12:3)`. */
export function placeInUserCode(stack: string = deepStack()): string {
  const frame = stack.split('\n').find((line) => /^\s+at /.test(line) && !isForeign(line));
  return frame === undefined ? 'at an unknown place' : frame.trim();
}
