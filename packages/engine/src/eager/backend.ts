import { ConfigurationError, sizeOf, UnavailableError } from '@drf/tensor';
import * as tf from '@tensorflow/tfjs';
import { loadNativeTensorFlow } from '../native/load.js';

/** Backends that this package knows how to load; others must have been registered with tfjs by the caller. */
const EAGER_BACKENDS = ['tensorflow', 'wasm', 'cpu'] as const;

/** tfjs greets Node users with advice to install tfjs-node, once, on the first write; that is no warning of ours. */
function silenceBanner(): void {
  const backend = tf.backend() as tf.KernelBackend & { firstUse?: boolean };
  if (backend.firstUse === true) backend.firstUse = false;
}

async function register(name: string): Promise<void> {
  if (name === 'wasm') {
    await import('@tensorflow/tfjs-backend-wasm');
    registerWasmKernels();
  }
  if (name === 'tensorflow') await loadNativeTensorFlow();
  if (tf.engine().registryFactory[name] === undefined) {
    throw new ConfigurationError({
      subject: 'createEagerEngine',
      expected: `a tfjs backend (${EAGER_BACKENDS.join(', ')}, or one that you registered)`,
      received: `"${name}"`,
    });
  }
}

/** tfjs reports a failed start by `false` after printing a warning; the warning becomes part of the error instead. */
async function startQuietly(name: string): Promise<void> {
  const said: string[] = [];
  const warn = console.warn;
  console.warn = (...words: unknown[]) => void said.push(words.map(String).join(' '));
  try {
    if (await tf.setBackend(name)) return;
  } finally {
    console.warn = warn;
  }
  throw new UnavailableError({
    subject: `tfjs backend "${name}"`,
    expected: 'to start on this machine',
    received: said.join('\n') || 'no reason given',
    remedy: 'choose another engine, such as "compiled" or "eager:cpu"',
  });
}

/**
 * Registers and starts a tfjs backend, leaving the current one current.
 * @throws ConfigurationError when tfjs has no such backend; UnavailableError when it does not start.
 */
export async function startBackend(name: string): Promise<void> {
  const before = tf.getBackend(); // before anything loads: a package of its own may make its backend current
  await register(name);
  await startQuietly(name);
  silenceBanner();
  if (before) useBackend(before);
}

function useBackend(name: string): void {
  // The part of setBackend that matters here is synchronous once the backend has started.
  if (tf.getBackend() !== name) void tf.setBackend(name);
}

/** Runs a synchronous function with a started backend as the current one, then restores the one before. */
export function withBackend<T>(name: string, run: () => T): T {
  const before = tf.getBackend();
  useBackend(name);
  try {
    return run();
  } finally {
    if (before) useBackend(before);
  }
}

/** What of tfjs's WebAssembly backend a kernel needs; it exports no types of its own. */
interface WasmBackend {
  makeOutput(shape: readonly number[], dtype: string): tf.TensorInfo;
  typedArrayFromHeap(tensor: tf.TensorInfo): Float32Array | Int32Array;
}

/** Rows of `x` added up by the number of their segment: [..segments, ..rest] → [segment, ..rest]. */
function unsortedSegmentSum(args: {
  inputs: tf.NamedTensorInfoMap;
  backend: unknown;
  attrs?: tf.NamedAttrMap;
}): tf.TensorInfo {
  const backend = args.backend as WasmBackend;
  const { x, segmentIds } = args.inputs as Record<'x' | 'segmentIds', tf.TensorInfo>;
  const rest = x.shape.slice(segmentIds.shape.length);
  const width = sizeOf(rest);
  const count = args.attrs?.['numSegments'] as number;
  const output = backend.makeOutput([count, ...rest], x.dtype);
  const sums = backend.typedArrayFromHeap(output); // first: making an output may move the heap
  const [rows, ids] = [backend.typedArrayFromHeap(x), backend.typedArrayFromHeap(segmentIds)];
  sums.fill(0);
  ids.forEach((id: number, row: number) => {
    if (id < 0 || id >= count) return; // dropped, as tfjs's cpu backend does
    for (let i = 0; i < width; i++) {
      sums[id * width + i] = (sums[id * width + i] as number) + (rows[row * width + i] as number);
    }
  });
  return output;
}

/** Adds kernels that tfjs's WebAssembly backend lacks: the sum of segments, which is the gradient of gathering. */
function registerWasmKernels(): void {
  if (tf.getKernel('UnsortedSegmentSum', 'wasm') !== undefined) return;
  tf.registerKernel({ kernelName: 'UnsortedSegmentSum', backendName: 'wasm', kernelFunc: unsortedSegmentSum });
}
