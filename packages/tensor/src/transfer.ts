import * as tf from '@tensorflow/tfjs';
import { hostTensor, type HostTensor } from './host.js';

// Alone in its file: what a bundler takes of this package without these two functions comes without tfjs.

/** Copies numbers into the current tfjs backend. The caller disposes the result. */
export function toTensor(host: HostTensor): tf.Tensor {
  return tf.tensor(host.data.slice(), [...host.shape], host.dtype); // tfjs's cpu backend would keep the array itself
}

/** Copies a tensor's numbers out of its backend; bool becomes int32. */
export async function toHost(tensor: tf.Tensor): Promise<HostTensor> {
  const data: Float32Array | Int32Array | Uint8Array = await tensor.data();
  // by the tensor's dtype: after a cast, tfjs's cpu backend may still hold the array of the former type
  const typed = tensor.dtype === 'float32' ? Float32Array.from(data) : Int32Array.from(data);
  return hostTensor(typed, tensor.shape);
}
