import { gatherBatch, type FeatureSet } from '@drf/experiment';
import type { HostTensor, HostTree } from '@drf/tensor';
import * as ort from 'onnxruntime-node';
import { expect } from 'vitest';

/** Numbers of a model's outputs by name. */
export type OnnxOutputs = Readonly<Record<string, readonly number[]>>;

/** Runs an ONNX file by onnxruntime-node. */
export async function runOnnx(file: string | Uint8Array, inputs: HostTree): Promise<OnnxOutputs> {
  const session = await ort.InferenceSession.create(file as string);
  const feeds = Object.entries(inputs as Record<string, HostTensor>).map(
    ([name, { dtype, data, shape }]) => [name, new ort.Tensor(dtype, data as Float32Array, shape)] as const,
  );
  const results = await session.run(Object.fromEntries(feeds));
  await session.release();
  return Object.fromEntries(
    Object.entries(results).map(([name, tensor]) => [name, Array.from(tensor.data as Float32Array)]),
  );
}

/** Posts as a head's inputs. */
export async function headBatch(posts: FeatureSet): Promise<HostTree> {
  const { image, text } = (await gatherBatch(posts, [...posts.ids.keys()])).batch;
  return { image: image.features, text: text.features, imageAvailable: image.available, textAvailable: text.available };
}

/** Every expected output is there, and no number differs by more than 1e-5 (relative to 1 or to the number). */
export function expectOutputs(received: OnnxOutputs, expected: OnnxOutputs, tolerance = 1e-5): void {
  for (const [name, numbers] of Object.entries(expected)) {
    expect(received[name]?.length, `count of ${name}`).toBe(numbers.length);
    const worst = Math.max(
      ...numbers.map((number, i) => Math.abs(number - (received[name]?.[i] as number)) / Math.max(1, Math.abs(number))),
    );
    expect(worst, `largest difference of ${name}`).toBeLessThan(tolerance);
  }
}
