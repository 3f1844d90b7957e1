import * as tf from '@tensorflow/tfjs';
import type { GraphModelData } from '../embedded/mobile-net.js';

/** The reference: tfjs' own graph executor on the same files, on the current backend. */
export function loadGraphModel({ modelTopology, specs, bytes }: GraphModelData): Promise<tf.GraphModel> {
  return tf.loadGraphModel({
    load: async () => ({
      modelTopology: modelTopology as object,
      weightSpecs: specs as tf.io.WeightsManifestEntry[],
      weightData: bytes.buffer.slice(bytes.byteOffset, bytes.byteOffset + bytes.byteLength) as ArrayBuffer,
    }),
  });
}

/** Largest absolute difference of two lists of one length. */
export function maximumDifference(a: ArrayLike<number>, b: ArrayLike<number>): number {
  if (a.length !== b.length) return Infinity;
  let largest = 0;
  for (let i = 0; i < a.length; i++) largest = Math.max(largest, Math.abs((a[i] as number) - (b[i] as number)));
  return largest;
}
