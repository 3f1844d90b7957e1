import * as tf from '@tensorflow/tfjs';
import { sizeOf } from '@drf/tensor';

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
export function registerWasmKernels(): void {
  if (tf.getKernel('UnsortedSegmentSum', 'wasm') !== undefined) return;
  tf.registerKernel({ kernelName: 'UnsortedSegmentSum', backendName: 'wasm', kernelFunc: unsortedSegmentSum });
}
